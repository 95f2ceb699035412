/* Putting markers into memory and telling where they are: shared by the marker program's files. */
#ifndef PLANT_H
#define PLANT_H
#include <stddef.h>
#include <stdint.h>

/* The kernel's page size, and its default huge page's (0: it has none). Set by plant_setup. */
extern unsigned long page_bytes, huge_bytes;

/* Reads the seed and the page sizes; 0, or 1 after saying what is missing. */
int plant_setup(void);

unsigned length_of(const char *name);

/* Writes `count` characters of the marker's text, from the character `from`, `stride` bytes apart. */
void write_text(volatile char *to, const char *name, unsigned from, unsigned count, unsigned stride);

/* Notes where a marker of this process lies: parts in the order of its characters. */
void record(const char *name, const char *encoding, unsigned parts, volatile void *const *va,
            const unsigned *length);

/* One virtually contiguous marker: written and noted. */
void plant(const char *name, volatile void *at);

/* Notes that this process too has `length` bytes of a marker, that another process planted, at `at`. */
void record_again(const char *name, const char *encoding, volatile void *at, unsigned length);

/* Anonymous memory, or the end of this process. */
void *map(size_t length, int flags);

/* Frame number of a page, 0 when it has none. */
uint64_t frame_of(int pagemap, uint64_t va);
int open_pagemap(int pid);

/* Touches `pages` pages so that neighbours in address are strangers in frame, and returns their start. */
char *map_scattered(size_t pages);

/* Tells init that everything of this kind is planted. */
void say_ready(const char *kind);

/* Plants a kind that only rich guests have; 0 when there is none of that name. */
int plant_extra(const char *kind, int argc, char **argv);

#endif
