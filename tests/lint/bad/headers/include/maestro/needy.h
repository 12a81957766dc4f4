/* needy: uses size_t without saying where it comes from. */
size_t needy_bytes(void);
