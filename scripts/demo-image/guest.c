/*
 * Everything that runs in the demo image's guest: init and two programs, one binary under three names.
 *
 * The strings to find are not in this binary: they come from the files shop.conf and notes.txt, so that each lies in
 * the guest's memory where a real secret would: in the page cache of its file, and where a program keeps it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

static void say(const char *text) {
  int console = open("/dev/console", O_WRONLY | O_NOCTTY);
  if (write(console, text, strlen(text)) < 0) _exit(1);
  close(console);
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd >= 0 && write(fd, text, strlen(text)) < 0) say("demo: a setting was refused\n");
  close(fd);
}

/* A file's bytes, with a NUL behind them. */
static char *slurp(const char *path) {
  char *text = calloc(1, PAGE);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, text, PAGE - 1) < 0) _exit(1);
  close(fd);
  return text;
}

/* The value behind `key` up to the end of its line. */
static char *value_of(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (!at) _exit(1);
  at += strlen(key);
  return strndup(at, strcspn(at, "\n"));
}

/* Two neighbouring pages whose frames are neighbours too. */
static char *adjacent_pages(void) {
  char *area = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t entry[64];
  int pagemap = open("/proc/self/pagemap", O_RDONLY);
  for (int i = 0; i < 64; i++) area[i * PAGE] = 0;
  if (pread(pagemap, entry, sizeof entry, (uint64_t)area / PAGE * 8) != sizeof entry) _exit(1);
  close(pagemap);
  for (int i = 0; i + 1 < 64; i++)
    if ((entry[i] & ((1ULL << 55) - 1)) + 1 == (entry[i + 1] & ((1ULL << 55) - 1))) return area + i * PAGE;
  say("demo: no adjacent frames\n");
  _exit(1);
}

/* A web shop's server: its settings on the heap, and a request that lies across two pages. */
static void shop_server(void) {
  char *settings = slurp("/etc/shop.conf");
  char *key = value_of(settings, "api_key = ");
  char *request = value_of(settings, "last_request = ");
  char *across = adjacent_pages() + PAGE - strlen(request) / 2;
  strcpy(across, request);
  key[strlen(key)] = 0;
}

/* A text editor: keeps its document as UTF-16. */
static void note_editor(void) {
  char *document = slurp("/home/ada/notes.txt");
  uint16_t *wide = calloc(2, PAGE);
  for (int i = 0; document[i]; i++) wide[i] = (unsigned char)document[i];
  free(document);
}

static void start(const char *path, char *const environment[]) {
  if (fork() != 0) return;
  char *const arguments[] = {(char *)path + 5, NULL};
  execve(path, arguments, environment);
  _exit(1);
}

static void load(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return;
  if (syscall(SYS_finit_module, fd, "", 0) != 0) say("demo: a module was refused\n");
  close(fd);
  unlink(path);
}

static int count_ready(void) {
  struct stat status;
  return (stat("/run/shop-server", &status) == 0) + (stat("/run/note-editor", &status) == 0);
}

static void init(void) {
  mount("proc", "/proc", "proc", 0, "");
  mount("sysfs", "/sys", "sysfs", 0, "");
  load("/lib/qemu_fw_cfg.ko");
  load("/lib/dummy.ko");
  char *const shop[] = {"PATH=/bin", "SHOP_CONFIG=/etc/shop.conf", NULL};
  char *const editor[] = {"PATH=/bin", "HOME=/home/ada", "LANG=C.UTF-8", NULL};
  start("/bin/shop-server", shop);
  start("/bin/note-editor", editor);
  while (count_ready() < 2) usleep(10000);
  sync();
  put("/proc/sys/vm/drop_caches", "3");
  put("/proc/sys/vm/compact_memory", "1");
  usleep(500000);
  say("demo: ready\n");
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  const char *name = slash ? slash + 1 : argv[0];
  if (strcmp(name, "init") == 0) {
    init();
  } else {
    if (strcmp(name, "shop-server") == 0) shop_server();
    else note_editor();
    char path[64] = "/run/";
    strcat(path, name);
    close(open(path, O_CREAT | O_WRONLY, 0600));
  }
  (void)argc;
  for (;;) pause();
}
