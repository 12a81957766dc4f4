/* overrun: writes behind the end. */
int overrun(void)
{
    int v[3] = {0, 0, 0};
    v[3] = 1;
    return v[0];
}
