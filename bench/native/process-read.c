/*
 * What a C loop reaches with process_vm_readv: the peer of the live suite.
 *
 * process-read PID POINTER LENGTH: for each line on stdin copies the range in pieces of 4 MiB into one buffer, and answers with the
 * processor seconds on stdout. The buffer is aligned, of huge pages where the kernel gives them, and touched before the first copy.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#define PIECE (4u << 20)
#define HUGE (2u << 20)

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  int pid = atoi(words[1]);
  uint64_t pointer = strtoull(words[2], NULL, 0), length = strtoull(words[3], NULL, 0);
  char *buffer = aligned_alloc(HUGE, PIECE), line[64];
  if (buffer == NULL) return 1;
  madvise(buffer, PIECE, MADV_HUGEPAGE);
  memset(buffer, 1, PIECE);
  while (fgets(line, sizeof line, stdin)) {
    double start = now();
    for (uint64_t at = 0; at < length; at += PIECE) {
      size_t piece = length - at < PIECE ? length - at : PIECE;
      struct iovec local = {buffer, piece}, remote = {(void *)(pointer + at), piece};
      if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)piece) {
        perror("process_vm_readv");
        return 1;
      }
    }
    printf("%.9f\n", now() - start);
    fflush(stdout);
  }
  return 0;
}
