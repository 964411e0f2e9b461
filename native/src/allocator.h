// How the process's allocator treats freed memory.
#pragma once

namespace csrm {

// Keeps freed memory for the next step instead of returning it to the system. Does nothing where the C library is not glibc.
void keep_freed_memory();

}  // namespace csrm
