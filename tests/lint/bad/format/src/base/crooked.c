/* crooked */
int crooked( int a ){return a ;}
