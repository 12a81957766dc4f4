/* suite: the main function of every Check program here. A test file defines cases with START_TEST and ends with
 *     SUITE("module", case_a, case_b)
 * Check prints the count that tools/test adds up. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs a group of cases; the status of main. For tests whose cases are more than a list. */
static inline int suite_run(const char *name, TCase *group)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define SUITE(name, ...)                                                                                               \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const cases[] = {__VA_ARGS__};                                                                    \
        TCase *group = tcase_create(name);                                                                             \
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)                                                      \
            tcase_add_test(group, cases[i]);                                                                           \
        return suite_run(name, group);                                                                                 \
    }

#endif
