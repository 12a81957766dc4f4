/* tfevents: TensorBoard event records (tensorboard summary/writer/record_writer.py and compat/proto), written by hand: u64
 * length, masked CRC-32C of the length, data, masked CRC-32C of the data, all little-endian; data is one Event message.
 * A folder with one such file is one run in TensorBoard. */
#ifndef MAESTRO_TFEVENTS_H
#define MAESTRO_TFEVENTS_H

#include <maestro/buf.h>
#include <stddef.h>
#include <stdint.h>

/* Castagnoli's polynomial, reflected; chain by passing the last result, start with 0. */
uint32_t tfevents_crc32c(uint32_t crc, const void *bytes, size_t n);
uint32_t tfevents_masked(uint32_t crc);

struct tfevents_scalar {
    const char *tag;
    float value;
};

/* The record that every file begins with. */
void tfevents_head(struct buf *out, double wall_s);

/* One event with n scalars of one step. */
void tfevents_scalars(struct buf *out, double wall_s, int64_t step, const struct tfevents_scalar *scalars, int n);

#endif
