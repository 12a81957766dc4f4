/* loud: does what it must not. A comment may say sprintf(). */
#include <stdio.h>
typedef int number;
void loud(char *out)
{
    sprintf(out, "strcpy(");
    printf("%s\n", out);
    exit(1);
}
