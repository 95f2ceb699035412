/** What the path code reads of dentries, mounts and files (include/linux/dcache.h, fs.h; fs/mount.h). */
import { structSpec } from '../../struct/layout.js'

/** An open file (`struct file`). */
export const FILE = structSpec('file', {
  dentry: 'f_path.dentry',
  mount: 'f_path.mnt',
  inode: 'f_inode',
  mode: 'f_mode',
  flags: 'f_flags',
  position: 'f_pos',
  private: 'private_data',
})

/** A file that stands for another (overlayfs): the path that the user opened is kept beside it. */
export const BACKING_FILE = structSpec('backing_file', {
  dentry: 'user_path.dentry',
  mount: 'user_path.mnt',
})

/** A name in a directory (`struct dentry`). */
export const DENTRY = structSpec('dentry', {
  parent: 'd_parent',
  name: 'd_name.name',
  nameBytes: 'd_name.len',
  inode: 'd_inode',
  /** NULL once the name is out of the hash: the file was deleted. */
  hashed: 'd_hash.pprev',
  operations: 'd_op',
  superBlock: 'd_sb',
  private: 'd_fsdata',
})

/** Of `struct dentry_operations`: whether the file system makes names up. */
export const DENTRY_OPERATIONS = structSpec('dentry_operations', { makeName: 'd_dname' })

/** A mount: the `struct vfsmount` that paths point to lies inside (`vfs`). */
export const MOUNT = structSpec('mount', {
  vfs: 'mnt',
  parent: 'mnt_parent',
  mountpoint: 'mnt_mountpoint',
  root: 'mnt.mnt_root',
})

/** A mounted file system. */
export const SUPER_BLOCK = structSpec('super_block', {
  type: 's_type',
  device: 's_dev',
  flags: 's_flags',
  subtype: 's_subtype',
})

/** Of `struct file_system_type`. */
export const FILE_SYSTEM_TYPE = structSpec('file_system_type', { name: 'name' })

/** Of `struct inode`. */
export const INODE = structSpec('inode', {
  number: 'i_ino',
  mode: 'i_mode',
  device: 'i_rdev',
  superBlock: 'i_sb',
  private: 'i_private',
  size: 'i_size',
})
