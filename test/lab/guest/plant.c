#define _GNU_SOURCE
#include "plant.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* "vmsift-marker:" with every character XORed with 0x5a; volatile keeps the compiler from undoing that. */
static const volatile unsigned char HEAD[] = {0x2c, 0x37, 0x29, 0x33, 0x3c, 0x2e, 0x77,
                                              0x37, 0x3b, 0x28, 0x31, 0x3f, 0x28, 0x60};
static uint64_t seed;
unsigned long page_bytes, huge_bytes;

int plant_setup(void) {
  char line[128];
  FILE *file = fopen("/run/seed", "r");
  if (!file || fscanf(file, "%" SCNx64, &seed) != 1) { perror("/run/seed"); return 1; }
  fclose(file);
  page_bytes = sysconf(_SC_PAGESIZE);
  file = fopen("/proc/meminfo", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "Hugepagesize: %lu kB", &huge_bytes) == 1) huge_bytes <<= 10;
  if (file) fclose(file);
  return 0;
}

static uint64_t token_of(const char *name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3ULL;
  uint64_t z = (seed ^ hash) + 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

unsigned length_of(const char *name) { return sizeof HEAD + strlen(name) + 1 + 16 + 1; }

/* Behind the text a filler goes on for ever: only long markers show it. */
static char char_of(const char *name, uint64_t token, unsigned i) {
  unsigned length = length_of(name);
  if (i >= length) return 'a' + (i - length) * 7 % 26;
  if (i < sizeof HEAD) return HEAD[i] ^ 0x5a;
  i -= sizeof HEAD;
  unsigned n = strlen(name);
  if (i < n) return name[i];
  i -= n;
  if (i == 0) return ':';
  if (i == 17) return ';';
  return "0123456789abcdef"[(token >> (60 - 4 * (i - 1))) & 15];
}

void write_text(volatile char *to, const char *name, unsigned from, unsigned count, unsigned stride) {
  uint64_t token = token_of(name);
  for (unsigned i = 0; i < count; i++) {
    to[i * stride] = char_of(name, token, from + i);
    if (stride == 2) to[i * stride + 1] = 0;
  }
}

static void write_record(const char *path, const char *name, const char *encoding, unsigned parts,
                         volatile void *const *va, const unsigned *length) {
  FILE *file = fopen(path, "w");
  if (!file) { perror(path); exit(1); }
  fprintf(file, "%s %d %s", name, getpid(), encoding);
  for (unsigned i = 0; i < parts; i++) fprintf(file, " %lx %u", (unsigned long)va[i], length[i]);
  fprintf(file, "\n");
  fclose(file);
}

void record(const char *name, const char *encoding, unsigned parts, volatile void *const *va,
            const unsigned *length) {
  char path[128];
  snprintf(path, sizeof path, "/run/markers/%s", name);
  write_record(path, name, encoding, parts, va, length);
}

void record_again(const char *name, const char *encoding, volatile void *at, unsigned length) {
  char path[128];
  snprintf(path, sizeof path, "/run/markers/%s@%d", name, getpid());
  write_record(path, name, encoding, 1, &at, &length);
}

void plant(const char *name, volatile void *at) {
  unsigned length = length_of(name);
  write_text(at, name, 0, length, 1);
  record(name, "utf8", 1, &at, &length);
}

void *map(size_t length, int flags) {
  void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
  if (at == MAP_FAILED) { perror("mmap"); exit(1); }
  return at;
}

uint64_t frame_of(int pagemap, uint64_t va) {
  uint64_t entry = 0;
  if (pread(pagemap, &entry, 8, va / page_bytes * 8) != 8) return 0;
  return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

int open_pagemap(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
  return open(path, O_RDONLY);
}

char *map_scattered(size_t pages) {
  char *at = map(pages * page_bytes, MAP_PRIVATE);
  for (size_t i = 0; i < 16; i++)
    for (size_t page = i; page < pages; page += 16) at[page * page_bytes] = 1;
  return at;
}

void say_ready(const char *kind) {
  char path[128];
  snprintf(path, sizeof path, "/run/ready/%s", kind);
  FILE *ready = fopen(path, "w");
  if (ready) fclose(ready);
}
