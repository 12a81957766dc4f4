/* base64: three bytes become four letters and back. In: bytes or letters; out: appended to a buf. No line breaks are made. */
#include <maestro/base64.h>

#include <stdint.h>
#include <string.h>

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t group = (uint32_t)at[i] << 16;
        group |= left > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)at[i + 2] : 0;
        char four[4] = {LETTERS[group >> 18], LETTERS[group >> 12 & 63], LETTERS[group >> 6 & 63], LETTERS[group & 63]};
        memset(four + left + 1, '=', 3 - left);
        buf_append(out, four, sizeof four);
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The bits of one letter, or -1. */
static int value_of(char c)
{
    const char *found = c ? strchr(LETTERS, c) : NULL;
    return found ? (int)(found - LETTERS) : -1;
}

/* What is left behind the last whole group: nothing, or two or three letters whose spare bits are zero. */
static bool finish_group(struct buf *out, uint32_t group, int letters)
{
    char bytes[2] = {0};
    if (letters == 0)
        return true;
    if (letters == 1)
        return false;
    group <<= 6 * (4 - letters);
    bytes[0] = (char)(group >> 16 & 255);
    bytes[1] = (char)(group >> 8 & 255);
    buf_append(out, bytes, (size_t)letters - 1);
    return (group & (letters == 2 ? 0xffffu : 0xffu)) == 0;
}

bool base64_decode(struct buf *out, const char *text, size_t n)
{
    uint32_t group = 0;
    int letters = 0, padding = 0;
    for (size_t i = 0; i < n; i++) {
        int value = value_of(text[i]);
        if (is_space(text[i]))
            continue;
        if (text[i] == '=') {
            padding++;
            continue;
        }
        if (value < 0 || padding)
            return false;
        group = group << 6 | (uint32_t)value;
        if (++letters == 4) {
            char three[3] = {(char)(group >> 16 & 255), (char)(group >> 8 & 255), (char)(group & 255)};
            buf_append(out, three, sizeof three);
            group = 0;
            letters = 0;
        }
    }
    return (padding == 0 || padding == (4 - letters) % 4) && finish_group(out, group, letters);
}
