// Memory shared between JavaScript's typed arrays and tensors.
#pragma once
#include <node_api.h>

namespace csrm {

// Typed arrays whose tensor died on another thread wait in a queue; only their own thread may let go of them.
void drop_unreferenced_buffers(napi_env env);

napi_value from_typed_array(napi_env env, napi_callback_info info);  // (typedArray, dtype, shape) -> handle, shares memory
napi_value to_array_buffer(napi_env env, napi_callback_info info);   // (handle, share) -> ArrayBuffer, row-major

}  // namespace csrm
