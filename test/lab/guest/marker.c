/*
 * Plants markers in a lab guest's memory and tells where they lie.
 *
 *   marker plant KIND     plants, records what it planted under /run/markers, then sleeps for ever
 *   marker report         prints one line a marker, its frames read anew from /proc/PID/pagemap:
 *                         MARK name pid encoding va:length:gpa[,va:length:gpa...]    (gpa `-`: no frame)
 *
 * A marker's text is `vmsift-marker:NAME:TOKEN;`, TOKEN = 16 hexadecimal digits made from the boot's seed and the
 * name. It is written character by character straight to its place, and no complete text stands in this binary,
 * in its arguments or in what it prints: so the planted copy is the only one in the guest's memory. The host makes
 * the same text from the same seed (markers.ts).
 */
#define _GNU_SOURCE
#include "plant.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_MARKERS 64

/* One marker in two pieces: the first `cut` bytes end before `first_end`, the rest starts at `second`. */
static void plant_cut(const char *name, volatile char *first_end, volatile char *second, unsigned cut) {
  unsigned length = length_of(name);
  volatile void *va[2] = {first_end - cut, second};
  unsigned lengths[2] = {cut, length - cut};
  write_text(va[0], name, 0, cut, 1);
  write_text(va[1], name, cut, length - cut, 1);
  record(name, "utf8", 2, va, lengths);
}

static char in_data[128] = "filled at run time";
static char in_bss[128];

static void plant_split_frames(void) {
  int pagemap = open_pagemap(getpid());
  char *at = map_scattered(256);
  for (size_t page = 0; page + 1 < 256; page++) {
    char *end = at + (page + 1) * page_bytes;
    uint64_t one = frame_of(pagemap, (uintptr_t)end - 1), other = frame_of(pagemap, (uintptr_t)end);
    if (!one || !other || one + 1 == other) continue;
    const char *name = "split-frames";
    plant(name, end - length_of(name) / 2);
    break;
  }
  close(pagemap);
}

static void plant_files(void) {
  const char *paths[2] = {"/run/shared-file", "/run/private-file"};
  const char *names[2] = {"file-shared", "file-private"};
  for (int i = 0; i < 2; i++) {
    int fd = open(paths[i], O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 2 * page_bytes) != 0) { perror(paths[i]); exit(1); }
    char *at = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, i ? MAP_PRIVATE : MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) { perror(paths[i]); exit(1); }
    plant(names[i], at + 1000);
    close(fd);
  }
}

static void plant_general(void) {
  volatile char on_stack[128];
  plant("stack", on_stack);
  plant("data", in_data);
  plant("bss", in_bss);
  char *heap = malloc(4096);
  plant("heap", heap + 333);
  plant("anonymous", (char *)map(page_bytes, MAP_PRIVATE) + 77);
  plant("shared", (char *)map(page_bytes, MAP_SHARED) + 78);
  plant("page-start", map(page_bytes, MAP_PRIVATE));
  char *end = (char *)map(page_bytes, MAP_PRIVATE) + page_bytes;
  plant("page-end", end - length_of("page-end"));
  char *readonly = map(page_bytes, MAP_PRIVATE);
  plant("read-only", readonly + 501);
  mprotect(readonly, page_bytes, PROT_READ);
  char *none = map(page_bytes, MAP_PRIVATE);
  plant("prot-none", none + 601);
  mprotect(none, page_bytes, PROT_NONE);
  char *code = map(page_bytes, MAP_PRIVATE);
  plant("executable", code + 701);
  mprotect(code, page_bytes, PROT_READ | PROT_EXEC);
  plant_files();

  const char *wide = "utf16";
  volatile void *at = (char *)map(page_bytes, MAP_PRIVATE) + 801;
  unsigned length = 2 * length_of(wide);
  write_text(at, wide, 0, length_of(wide), 2);
  record(wide, "utf16le", 1, &at, &length);

  plant_split_frames();
  if (huge_bytes == 0) return;
  char *area = map(2 * huge_bytes, MAP_PRIVATE);
  char *aligned = (char *)(((uintptr_t)area + huge_bytes - 1) / huge_bytes * huge_bytes);
  madvise(aligned, huge_bytes, MADV_HUGEPAGE);
  plant("thp", aligned + huge_bytes / 2 - 20);
}

struct huge { uint64_t frame; char *at; };

static int by_frame(const void *a, const void *b) {
  uint64_t x = ((const struct huge *)a)->frame, y = ((const struct huge *)b)->frame;
  return (x > y) - (x < y);
}

/* Huge pages are the way to choose physical addresses: any 4 KiB boundary inside one, any 2 MiB boundary between two. */
static void plant_huge(unsigned count) {
  struct huge *pages = calloc(count, sizeof *pages);
  int pagemap = open_pagemap(getpid());
  unsigned have = 0;
  for (unsigned i = 0; i < count; i++) {
    char *at = mmap(NULL, huge_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_HUGETLB, -1, 0);
    if (at == MAP_FAILED) break;
    at[0] = 1;
    pages[have++] = (struct huge){frame_of(pagemap, (uintptr_t)at), at};
  }
  close(pagemap);
  if (have == 0) return;
  qsort(pages, have, sizeof *pages, by_frame);
  char name[32];
  for (unsigned i = 0; i + 1 < have; i++) {
    if (pages[i].frame + huge_bytes / page_bytes != pages[i + 1].frame) continue;
    snprintf(name, sizeof name, "joint-%02u", i);
    plant_cut(name, pages[i].at + huge_bytes, pages[i + 1].at, 1 + i * 7 % (length_of(name) - 1));
  }
  /* Every way a marker can be cut in two by a page boundary. */
  for (unsigned i = 0; i < PAGE_MARKERS; i++) {
    snprintf(name, sizeof name, "page-%02u", i);
    plant(name, pages[have / 2].at + (i + 1) * page_bytes - 1 - i % (length_of(name) - 1));
  }
}

static void *thread(void *name) {
  volatile char on_stack[128];
  prctl(PR_SET_NAME, name);
  plant(name, on_stack);
  while (pause()) {
  }
  return NULL;
}

static void plant_threads(void) {
  pthread_t handle;
  pthread_create(&handle, NULL, thread, "thread-one");
  pthread_create(&handle, NULL, thread, "thread-two");
  usleep(300000);
}

/* A counter that never stands still: `counter` is no text. */
static void tick(void) {
  static volatile uint64_t counter;
  volatile void *at = &counter;
  unsigned length = sizeof counter;
  record("ticker", "counter", 1, &at, &length);
  say_ready("ticker");
  for (;;) { counter++; usleep(50000); }
}

static int report(void) {
  DIR *dir = opendir("/run/markers");
  if (!dir) { perror("/run/markers"); return 1; }
  for (struct dirent *entry; (entry = readdir(dir));) {
    char path[300], name[64], encoding[16];
    int pid, any = 0;
    unsigned long va;
    unsigned length;
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/run/markers/%s", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%63s %d %15s", name, &pid, encoding) != 3) continue;
    int pagemap = open_pagemap(pid);
    printf("MARK %s %d %s ", name, pid, encoding);
    while (fscanf(file, "%lx %u", &va, &length) == 2) {
      for (unsigned done = 0; done < length;) {
        unsigned step = page_bytes - (va + done) % page_bytes;
        if (step > length - done) step = length - done;
        uint64_t frame = frame_of(pagemap, va + done);
        printf("%s0x%lx:%u:", any++ ? "," : "", va + done, step);
        if (frame) printf("0x%" PRIx64, frame * page_bytes + (va + done) % page_bytes);
        else printf("-");
        done += step;
      }
    }
    printf("\n");
    close(pagemap);
    fclose(file);
  }
  closedir(dir);
  return 0;
}

int main(int argc, char **argv) {
  if (plant_setup() != 0) return 1;
  if (argc > 1 && strcmp(argv[1], "report") == 0) return report();
  if (argc < 3 || strcmp(argv[1], "plant") != 0) return 2;
  const char *kind = argv[2];
  if (strcmp(kind, "general") == 0) plant_general();
  else if (strcmp(kind, "huge") == 0) plant_huge(argc > 3 ? atoi(argv[3]) : 1);
  else if (strcmp(kind, "threads") == 0) plant_threads();
  else if (strcmp(kind, "ticker") == 0) tick();
  else if (strcmp(kind, "zombie") == 0) { if (fork() == 0) _exit(0); }
  else if (strcmp(kind, "name") == 0) { prctl(PR_SET_NAME, argv[3]); plant("long-name", map(page_bytes, MAP_PRIVATE)); }
  else if (!plant_extra(kind, argc, argv)) plant(kind, map(page_bytes, MAP_PRIVATE));
  say_ready(kind);
  for (;;) pause();
}
