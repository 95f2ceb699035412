/*
 * Tells all the guest knows of itself, then waits for one line on its standard input while the host stops the guest:
 * what it told is what stands in memory. Everything is collected once for nothing, so that the second time, which
 * counts, takes no more memory; nothing is written before all is collected.
 *
 * Output: `@file PATH`, the file's text, `@end`; for each process `@process PID`, then lines `KEY VALUE`; text files as
 * above; `page PID VPN COUNT FRAME FLAGS` in hexadecimal for runs of pages with frames that follow each other
 * (FLAGS: bits 63 to 56 of pagemap's entry; for a swapped page FRAME is the rest of the entry); at last `@@frozen`, or `@@changed` when pages
 * have come or gone meanwhile: then it is to be asked again.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_BYTES (6UL << 20)
#define MAX_PROCESSES 4096
#define PAGES_AT_ONCE 512

static char *buffer;
static size_t used, page_bytes;
static int pids[MAX_PROCESSES], pid_count;
static char text[1 << 16], path[320], maps_text[4096], link_to[4097];
static uint64_t entries[PAGES_AT_ONCE];

static char *room(size_t bytes) {
  if (used + bytes > BUFFER_BYTES) { fprintf(stderr, "witness: more than fits\n"); exit(1); }
  return buffer + used;
}

static void say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  used += vsnprintf(room(8192), 8192, format, list);
  va_end(list);
}

static const char *path_of(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(path, sizeof path, format, list);
  va_end(list);
  return path;
}

/* A whole text file. Each read of /dev/kmsg gives one message, and fails when there is no more. */
static void tell_file(const char *name) {
  int fd = open(name, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return;
  say("@file %s\n", name);
  for (;;) {
    ssize_t got = read(fd, room(32768), 32768);
    if (got <= 0) break;
    used += got;
  }
  if (buffer[used - 1] != '\n') say("\n");
  say("@end\n");
  close(fd);
}

static void tell_hex(const char *key, const char *name) {
  int fd = open(name, O_RDONLY);
  if (fd < 0) return;
  ssize_t got, total = 0;
  say("%s ", key);
  while ((got = read(fd, text, 4096)) > 0 && (total += got) < (1 << 17)) {
    char *at = room(2 * got);
    for (ssize_t i = 0; i < got; i++) {
      *at++ = "0123456789abcdef"[(unsigned char)text[i] >> 4];
      *at++ = "0123456789abcdef"[text[i] & 15];
    }
    used += 2 * got;
  }
  say("\n");
  close(fd);
}

static void tell_link(const char *key, const char *name) {
  ssize_t got = readlink(name, link_to, sizeof link_to - 1);
  if (got < 0) return;
  link_to[got] = 0;
  say("%s %s\n", key, link_to);
}

/* The numbers that name entries of a folder, ascending. */
static int numbers_in(const char *name, int *into, int most) {
  DIR *dir = opendir(name);
  int count = 0;
  if (!dir) return 0;
  for (struct dirent *entry; (entry = readdir(dir)) && count < most;)
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') into[count++] = atoi(entry->d_name);
  closedir(dir);
  return count;
}

static void tell_process(int pid) {
  static const char *const spaces[] = {"pid", "mnt", "net", "uts", "ipc", "user", "cgroup"};
  static int numbers[2048];
  char key[32];
  say("@process %d\n", pid);
  tell_file(path_of("/proc/%d/stat", pid));
  tell_file(path_of("/proc/%d/status", pid));
  tell_hex("cmdline", path_of("/proc/%d/cmdline", pid));
  tell_hex("environ", path_of("/proc/%d/environ", pid));
  tell_link("exe", path_of("/proc/%d/exe", pid));
  tell_link("cwd", path_of("/proc/%d/cwd", pid));
  tell_link("root", path_of("/proc/%d/root", pid));
  for (unsigned i = 0; i < sizeof spaces / sizeof *spaces; i++) tell_link("ns", path_of("/proc/%d/ns/%s", pid, spaces[i]));
  tell_file(path_of("/proc/%d/maps", pid));
  tell_file(path_of("/proc/%d/mountinfo", pid));
  int threads = numbers_in(path_of("/proc/%d/task", pid), numbers, 2048);
  for (int i = 0; i < threads; i++) tell_file(path_of("/proc/%d/task/%d/stat", pid, numbers[i]));
  int files = numbers_in(path_of("/proc/%d/fd", pid), numbers, 2048);
  for (int i = 0; i < files; i++) {
    snprintf(key, sizeof key, "fd %d", numbers[i]);
    tell_link(key, path_of("/proc/%d/fd/%d", pid, numbers[i]));
    tell_file(path_of("/proc/%d/fdinfo/%d", pid, numbers[i]));
  }
}

struct run { uint64_t page, count, frame; unsigned flags; };

static void flush_run(int pid, struct run *run) {
  if (run->count)
    say("page %d %" PRIx64 " %" PRIx64 " %" PRIx64 " %x\n", pid, run->page, run->count, run->frame, run->flags);
  run->count = 0;
}

static void tell_range(int pid, int pagemap, uint64_t page, uint64_t end, struct run *run) {
  while (page < end) {
    uint64_t want = end - page < PAGES_AT_ONCE ? end - page : PAGES_AT_ONCE;
    ssize_t got = pread(pagemap, entries, want * 8, page * 8);
    if (got <= 0) return;
    for (ssize_t i = 0; i < got / 8; i++) {
      unsigned flags = entries[i] >> 56;
      uint64_t frame = entries[i] & ((1ULL << 55) - 1);
      if ((flags & 0xc0) == 0) { flush_run(pid, run); continue; }
      if (run->count && run->flags == flags && run->page + run->count == page + i && flags & 0x80 &&
          run->frame + run->count == frame) { run->count++; continue; }
      flush_run(pid, run);
      *run = (struct run){page + i, 1, frame, flags};
    }
    page += got / 8;
  }
}

static void tell_pages(int pid) {
  int pagemap = open(path_of("/proc/%d/pagemap", pid), O_RDONLY);
  FILE *maps = fopen(path_of("/proc/%d/maps", pid), "r");
  struct run run = {0};
  if (maps) setvbuf(maps, maps_text, _IOFBF, sizeof maps_text);
  while (pagemap >= 0 && maps && fgets(text, sizeof text, maps)) {
    uint64_t start, end;
    if (sscanf(text, "%" SCNx64 "-%" SCNx64, &start, &end) != 2) continue;
    tell_range(pid, pagemap, start / page_bytes, end / page_bytes, &run);
  }
  flush_run(pid, &run);
  if (maps) fclose(maps);
  if (pagemap >= 0) close(pagemap);
}

static void tell_all_pages(void) {
  pid_count = numbers_in("/proc", pids, MAX_PROCESSES);
  for (int i = 0; i < pid_count; i++) tell_pages(pids[i]);
}

static size_t pages_from;

static void collect(void) {
  static const char *const files[] = {
      "/proc/version", "/proc/cmdline", "/proc/uptime", "/proc/stat", "/proc/meminfo", "/proc/iomem", "/proc/modules",
      "/proc/swaps", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/raw",
      "/proc/net/unix", "/dev/kmsg"};
  used = 0;
  say("@page-bytes %zu\n", page_bytes);
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) tell_file(files[i]);
  pid_count = numbers_in("/proc", pids, MAX_PROCESSES);
  for (int i = 0; i < pid_count; i++) tell_process(pids[i]);
  pages_from = used;
  tell_all_pages();
}

static void write_all(const char *from, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t wrote = write(STDOUT_FILENO, from + done, bytes - done < 4096 ? bytes - done : 4096);
    if (wrote < 0) { perror("witness"); exit(1); }
    done += wrote;
  }
}

int main(void) {
  page_bytes = sysconf(_SC_PAGESIZE);
  buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (buffer == MAP_FAILED) { perror("witness"); return 1; }
  collect();
  collect();
  write_all(buffer, used);
  /* Writing took its time: is it all still so? */
  size_t told = used;
  tell_all_pages();
  int same = used - told == told - pages_from && memcmp(buffer + told, buffer + pages_from, used - told) == 0;
  write_all(same ? "@@frozen\n" : "@@changed\n", same ? 9 : 10);
  while (read(STDIN_FILENO, text, 1) == 1 && text[0] != '\n');
  return 0;
}
