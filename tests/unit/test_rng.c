/* PCG32 against the published demo output (pcg-c check-pcg32.out). */
#include <maestro/rng.h>

#include "suite.h"

START_TEST(first_draws_of_the_demo)
{
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct rng r;
    rng_init(&r, 42, 54);
    ck_assert_uint_eq(r.state, 0x185706b82c2e03f8u);
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(rng_u32(&r), expected[i]);
    ck_assert_uint_eq(r.state, 0xbeb6d0b73fdb974au);
}
END_TEST

SUITE("rng", first_draws_of_the_demo)
