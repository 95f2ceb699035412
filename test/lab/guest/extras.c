/*
 * Kinds that only rich guests plant: memory shared by many, texts over scattered frames, swapped pages, open files,
 * sockets, namespaces, a process that never leaves user mode.
 */
#define _GNU_SOURCE
#include "plant.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define JOINTS 12
#define SHARERS 8
/* A kernel takes slots for swapped pages 64 at a time, whatever swap comes first since. */
#define SWAPPED_PAGES 64

static void sleep_for_ever(void) {
  for (;;) pause();
}

/* Waits until children have noted what they have: they close their end of the pipe. */
static void await_children(int pipe_end) {
  char byte;
  while (read(pipe_end, &byte, 1) > 0 || errno == EINTR) errno = 0;
  close(pipe_end);
}

static void check(int result, const char *what) {
  if (result < 0) { perror(what); exit(1); }
}

/* One page, one frame, `sharers` more processes: every other one has it at another address. */
static void plant_shared(const char *name, int sharers) {
  char *at = map(page_bytes, MAP_SHARED);
  plant(name, at + 123);
  int ends[2];
  check(pipe(ends), "pipe");
  for (int i = 0; i < sharers; i++) {
    if (fork() != 0) continue;
    close(ends[0]);
    char *mine = at;
    if (i % 2 == 0) {
      char *place = map((i + 2) * page_bytes, MAP_PRIVATE);
      mine = mremap(at, page_bytes, page_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place + (i + 1) * page_bytes);
      if (mine == MAP_FAILED) exit(1);
    }
    if (*(volatile char *)mine == 0) mine[0] = 1;
    record_again(name, "utf8", mine + 123, length_of(name));
    close(ends[1]);
    sleep_for_ever();
  }
  close(ends[1]);
  await_children(ends[0]);
}

static int scattered(int pagemap, const char *page, int pages) {
  uint64_t last = frame_of(pagemap, (uintptr_t)page);
  for (int i = 1; i < pages; i++) {
    uint64_t frame = frame_of(pagemap, (uintptr_t)page + i * page_bytes);
    if (!last || !frame || frame == last + 1) return 0;
    last = frame;
  }
  return 1;
}

/*
 * Texts over joints of frames that are no neighbours, and one longer than a page, on three frames. Two children share the frames;
 * the second has its own copy of every joint's second page.
 */
static void plant_scattered(const char *kind) {
  int pagemap = open_pagemap(getpid());
  char *at = map_scattered(256);
  char name[64];
  char *joints[JOINTS] = {0};
  int have = 0, page = 0;
  for (; page + 2 < 128 && have < JOINTS; page++) {
    if (!scattered(pagemap, at + page * page_bytes, 2)) continue;
    snprintf(name, sizeof name, "%s-%02d", kind, have);
    joints[have] = at + (page + 1) * page_bytes - 1 - have * 3 % (length_of(name) - 1);
    plant(name, joints[have++]);
    page++;
  }
  unsigned length = page_bytes + 1400;
  char long_name[64];
  snprintf(long_name, sizeof long_name, "%s-long", kind);
  volatile void *place = NULL;
  for (page = 128; page + 4 < 256 && place == NULL; page++)
    if (scattered(pagemap, at + page * page_bytes, 4)) place = at + (page + 1) * page_bytes - 500;
  close(pagemap);
  if (place != NULL) {
    write_text(place, long_name, 0, length, 1);
    record(long_name, "long", 1, &place, &length);
  }
  int ends[2];
  check(pipe(ends), "pipe");
  for (int child = 0; child < 2; child++) {
    if (fork() != 0) continue;
    close(ends[0]);
    for (int i = 0; i < have; i++) {
      snprintf(name, sizeof name, "%s-%02d", kind, i);
      if (child == 1) {
        char *second = joints[i] + length_of(name);
        *(char *)((uintptr_t)second / page_bytes * page_bytes + page_bytes - 1) = 'x';
      }
      record_again(name, "utf8", joints[i], length_of(name));
    }
    if (place != NULL) record_again(long_name, "long", place, length);
    close(ends[1]);
    sleep_for_ever();
  }
  close(ends[1]);
  await_children(ends[0]);
}

/* Turns a device that mkswap has prepared into the swap that comes first, has pages written to it and leaves them there. */
static void plant_swapped(const char *kind, const char *device, int priority) {
  check(swapon(device, SWAP_FLAG_PREFER | priority), device);
  size_t pages = SWAPPED_PAGES;
  char *at = map(pages * page_bytes, MAP_PRIVATE);
  for (size_t i = 0; i < pages; i++)
    for (size_t j = 0; j < page_bytes; j += 64) at[i * page_bytes + j] = (char)(i + j / 64);
  plant(kind, at + page_bytes + 321);
  /* One page of a single value: zram stores it without any bytes. */
  memset(at + 2 * page_bytes, 0x41, page_bytes);
  for (int tries = 0; tries < 5; tries++) madvise(at, pages * page_bytes, MADV_PAGEOUT);
}

static void plant_sockets(void) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(4321), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  check(bind(server, (struct sockaddr *)&four, sizeof four), "bind");
  check(listen(server, 5), "listen");
  check(connect(client, (struct sockaddr *)&four, sizeof four), "connect");
  check(accept(server, NULL, NULL), "accept");
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  four.sin_port = htons(5353);
  check(bind(udp, (struct sockaddr *)&four, sizeof four), "bind udp");
  /* IPv6 and packet sockets are left out where the kernel has none. */
  int six = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(8080)};
  if (six >= 0 && bind(six, (struct sockaddr *)&any, sizeof any) == 0) listen(six, 5);
  int udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
  any.sin6_port = htons(5354);
  if (udp6 >= 0 && bind(udp6, (struct sockaddr *)&any, sizeof any) != 0) perror("bind udp6");
  if (socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0) perror("raw socket");
  int local = socket(AF_UNIX, SOCK_STREAM, 0), abstract = socket(AF_UNIX, SOCK_DGRAM, 0);
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/lab.socket"};
  check(bind(local, (struct sockaddr *)&path, sizeof path), "bind unix");
  check(listen(local, 5), "listen unix");
  struct sockaddr_un hidden = {.sun_family = AF_UNIX, .sun_path = "\0lab-abstract"};
  check(bind(abstract, (struct sockaddr *)&hidden, sizeof hidden.sun_family + 13), "bind abstract");
  int pair[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
}

static void plant_open_files(void) {
  int file = open("/run/lab-open-file", O_RDWR | O_CREAT, 0640);
  check(write(file, "0123456789", 10), "write");
  check(lseek(file, 4, SEEK_SET), "lseek");
  check(open("/run/lab-appended", O_WRONLY | O_CREAT | O_APPEND, 0600), "open");
  check(open("/run/lab-unlinked", O_RDWR | O_CREAT, 0600), "open");
  unlink("/run/lab-unlinked");
  check(open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open");
  check(open("/proc/version", O_RDONLY), "open");
  check(open("/dev/null", O_RDWR), "open");
  int ends[2];
  check(pipe2(ends, O_NONBLOCK), "pipe2");
  check(eventfd(7, 0), "eventfd");
  check(epoll_create1(0), "epoll");
  check(memfd_create("lab-memfd", 0), "memfd");
  /* A number far from the others: the table of files grows for it. */
  check(dup2(file, 300), "dup2");
}

/* Processes with other ids inside: pid 1 of a new namespace, its child, and one more namespace in that. */
static void plant_namespace(void) {
  check(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC), "unshare");
  check(sethostname("lab-container", 13), "sethostname");
  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mkdir("/run/inside", 0755);
  mount("inside", "/run/inside", "tmpfs", MS_NODEV, "size=64k");
  if (fork() != 0) { usleep(300000); return; }
  prctl(PR_SET_NAME, "ns-init");
  if (fork() == 0) {
    prctl(PR_SET_NAME, "ns-child");
    sleep_for_ever();
  }
  if (unshare(CLONE_NEWPID) == 0 && fork() == 0) {
    prctl(PR_SET_NAME, "ns-inner");
    sleep_for_ever();
  }
  sleep_for_ever();
}

static void *left_behind(void *unused) {
  (void)unused;
  prctl(PR_SET_NAME, "left-behind");
  say_ready("leader-gone");
  sleep_for_ever();
  return NULL;
}

int plant_extra(const char *kind, int argc, char **argv) {
  if (strcmp(kind, "shared-two") == 0) plant_shared(kind, 1);
  else if (strcmp(kind, "shared-many") == 0) plant_shared(kind, SHARERS);
  else if (strncmp(kind, "scatter-", 8) == 0) plant_scattered(kind);
  else if (strncmp(kind, "swapped-", 8) == 0 && argc > 4) plant_swapped(kind, argv[3], atoi(argv[4]));
  else if (strcmp(kind, "sockets") == 0) plant_sockets();
  else if (strcmp(kind, "files") == 0) plant_open_files();
  else if (strcmp(kind, "namespace") == 0) plant_namespace();
  else if (strcmp(kind, "user") == 0) {
    plant(kind, map(page_bytes, MAP_PRIVATE));
    say_ready(kind);
    check(setgid(100), "setgid");
    check(setuid(argc > 3 ? atoi(argv[3]) : 1000), "setuid");
    sleep_for_ever();
  } else if (strcmp(kind, "leader-gone") == 0) {
    pthread_t handle;
    pthread_create(&handle, NULL, left_behind, NULL);
    pthread_exit(NULL);
  } else if (strcmp(kind, "busy") == 0) {
    plant(kind, map(page_bytes, MAP_PRIVATE));
    nice(19);
    say_ready(kind);
    for (volatile unsigned long turns = 0;; turns++) {
    }
  } else return 0;
  return 1;
}
