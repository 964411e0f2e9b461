// NCCL, for tensors on GPUs. Compiled in where a libtorch with CUDA and the headers of CUDA and NCCL are found.
#include "group.h"

#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace csrm::dist {

c10::intrusive_ptr<Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, const Settings& settings) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = settings.timeout;
  auto own = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(own, settings.rank, settings.size, options);
}

}  // namespace csrm::dist
#else
namespace csrm::dist {
c10::intrusive_ptr<Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>&, const Settings&) { return {}; }
}  // namespace csrm::dist
#endif
