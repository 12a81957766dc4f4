/* low: calls upward. */
int high_answer(void);
int low_answer(void);
int low_answer(void)
{
    return high_answer();
}
