// Entry of the addon: the list of what JavaScript can call, and nothing else.
#include <node_api.h>

#include "allocator.h"
#include "exports.h"

namespace {

napi_value init(napi_env env, napi_value exports) {
  csrm::keep_freed_memory();
  for (const auto* list : {&csrm::dispatch_exports(), &csrm::tensor_exports(), &csrm::autograd_exports(), &csrm::runtime_exports(),
                           &csrm::dist_exports()})
    for (const auto& [name, function] : *list) {
      napi_value value;
      napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
      napi_set_named_property(env, exports, name, value);
    }
  return exports;
}

}  // namespace

NAPI_MODULE(csrm, init)
