// glibc gives large blocks back to the system at once and has them zeroed anew page by page at the next request; training asks for the
// same few hundred megabytes in every step, and the page faults cost more than many an operator.
#include "allocator.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace csrm {

void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_MAX, 0);                   // large blocks come from the heap too
  mallopt(M_TRIM_THRESHOLD, 2147483647);    // whose end is not given back
  mallopt(M_TOP_PAD, 64 << 20);             // and which grows in large steps
#endif
}

}  // namespace csrm
