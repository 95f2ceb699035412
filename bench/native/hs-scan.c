/*
 * What a small C program reaches with hs_scan on the windows that vmsift uses: the peer of the matcher suite.
 *
 * hs-scan IMAGE EXPRESSIONS LOOK_AHEAD: compiles one expression a line, then obeys one word a line on stdin and answers each
 * with "seconds matches" on stdout:
 *   fresh    maps windows of 64 MiB as they slide, scans blocks of 4 MiB
 *   touched  scans blocks of a mapping of the whole file, which was read once before the first timing
 *   read-fresh, read-touched, read-pread  sums the words instead of scanning: plain bandwidth
 * The seconds cover the pass alone, mapping and unmapping included where it maps.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <hs/hs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (4u << 20)
#define WINDOW (64ull << 20)

static hs_database_t *database;
static hs_scratch_t *scratch;
static uint64_t matches, checksum, look_ahead;
static int fd;
static uint64_t size;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context) {
  (void)id, (void)from, (void)to, (void)flags, (void)context;
  matches++;
  return 0;
}

static void scan_block(const char *bytes, uint64_t length) {
  if (hs_scan(database, bytes, (unsigned)length, 0, scratch, on_match, NULL) != HS_SUCCESS) fail("hs_scan");
}

static void sum_block(const char *bytes, uint64_t length) {
  const uint64_t *words = (const uint64_t *)bytes;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < length / 8; i++) sum += words[i];
  checksum += sum;
}

typedef void (*block_work)(const char *, uint64_t);

static char *map_range(uint64_t offset, uint64_t length) {
  char *bytes = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)offset);
  if (bytes == MAP_FAILED) fail("mmap");
  return bytes;
}

/* Blocks reach `look_ahead` bytes into the next one, so a window ends where the next block does not fit any more. */
static void pass_mapped(block_work work, uint64_t window) {
  char *bytes = NULL;
  uint64_t start = 0, mapped = 0;
  for (uint64_t at = 0; at < size; at += BLOCK) {
    uint64_t end = at + BLOCK + look_ahead < size ? at + BLOCK + look_ahead : size;
    if (bytes == NULL || end > start + mapped) {
      if (bytes != NULL) munmap(bytes, mapped);
      start = at;
      mapped = size - at < window ? size - at : window;
      bytes = map_range(start, mapped);
    }
    work(bytes + (at - start), end - at);
  }
  munmap(bytes, mapped);
}

static void pass_touched(block_work work, const char *bytes) {
  for (uint64_t at = 0; at < size; at += BLOCK)
    work(bytes + at, (at + BLOCK + look_ahead < size ? at + BLOCK + look_ahead : size) - at);
}

static void pass_pread(block_work work) {
  static char *buffer;
  if (buffer == NULL && posix_memalign((void **)&buffer, 4096, BLOCK)) fail("memory");
  for (uint64_t at = 0; at < size; at += BLOCK) {
    ssize_t got = pread(fd, buffer, BLOCK, (off_t)at);
    if (got <= 0) fail("pread");
    work(buffer, (uint64_t)got);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void compile(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(path);
  size_t count = 0, room = 1024;
  char **expressions = malloc(room * sizeof *expressions), *line = NULL;
  size_t capacity = 0;
  for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    if (count == room) expressions = realloc(expressions, (room *= 2) * sizeof *expressions);
    expressions[count++] = strdup(line);
  }
  fclose(file);
  unsigned *flags = malloc(count * sizeof *flags), *ids = malloc(count * sizeof *ids);
  for (size_t i = 0; i < count; i++) flags[i] = HS_FLAG_DOTALL, ids[i] = (unsigned)i;
  hs_compile_error_t *error;
  if (hs_compile_multi((const char *const *)expressions, flags, ids, (unsigned)count, HS_MODE_BLOCK, NULL, &database,
                       &error) != HS_SUCCESS) {
    fprintf(stderr, "%s\n", error->message);
    exit(1);
  }
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) fail("hs_alloc_scratch");
}

int main(int count, char **words) {
  if (count != 4) {
    fprintf(stderr, "usage: hs-scan IMAGE EXPRESSIONS LOOK_AHEAD\n");
    return 2;
  }
  struct stat status;
  if ((fd = open(words[1], O_RDONLY)) < 0 || fstat(fd, &status)) fail(words[1]);
  size = (uint64_t)status.st_size;
  compile(words[2]);
  look_ahead = strtoull(words[3], NULL, 10);
  char *whole = NULL, word[64];
  while (fgets(word, sizeof word, stdin)) {
    word[strcspn(word, "\n")] = 0;
    if (strstr(word, "touched") && whole == NULL) {
      whole = map_range(0, size);
      pass_touched(sum_block, whole);
    }
    matches = 0;
    double started = now();
    if (!strcmp(word, "fresh")) pass_mapped(scan_block, WINDOW);
    else if (!strcmp(word, "touched")) pass_touched(scan_block, whole);
    else if (!strcmp(word, "read-fresh")) pass_mapped(sum_block, WINDOW);
    else if (!strcmp(word, "read-touched")) pass_touched(sum_block, whole);
    else if (!strcmp(word, "read-pread")) pass_pread(sum_block);
    else return 2;
    printf("%.6f %llu\n", now() - started, (unsigned long long)matches);
    fflush(stdout);
  }
  return checksum == 42;
}
