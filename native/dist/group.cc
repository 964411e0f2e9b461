#include "group.h"

#include <thread>

namespace csrm::dist {

namespace {

c10::intrusive_ptr<c10d::TCPStore> open_store(const Settings& settings) {
  c10d::TCPStoreOptions options;
  options.port = settings.port;
  options.isServer = settings.rank == 0;
  options.waitWorkers = false;
  options.timeout = settings.join;
  return c10::make_intrusive<c10d::TCPStore>(settings.host, options);
}

// All processes count themselves; who waits in vain can tell how many came.
void wait_for_all(c10d::Store& store, const Settings& settings) {
  const auto deadline = std::chrono::steady_clock::now() + settings.join;
  store.add("joined", 1);
  for (int64_t here = store.add("joined", 0); here < settings.size; here = store.add("joined", 0)) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("only " + std::to_string(here) + " of " + std::to_string(settings.size) + " processes came within " +
                               std::to_string(settings.join.count() / 1000) + " s");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

std::vector<std::string> backends() {
  std::vector<std::string> result;
#ifdef USE_C10D_GLOO
  result.push_back("gloo");
#endif
#ifdef USE_C10D_NCCL
  result.push_back("nccl");
#endif
  return result;
}

Group::Group(const Settings& settings) : rank_(settings.rank), size_(settings.size), gpu_(settings.gpu), store_(open_store(settings)) {
  wait_for_all(*store_, settings);
  store_->setTimeout(settings.timeout);
  cpu_ = make_gloo(store_, settings);
  cuda_ = make_nccl(store_, settings);
}

void Group::disconnect() {
  // Their destructors wait for operations under way, which may be as long as the timeout.
  std::thread([cpu = std::move(cpu_), cuda = std::move(cuda_)]() mutable {
    cpu.reset();
    cuda.reset();
  }).detach();
}

Backend& Group::backend(const at::Tensor& tensor) {
  // A Gloo of a libtorch with CUDA takes tensors of GPUs as well, more slowly.
  const auto& found = tensor.is_cuda() && cuda_ ? cuda_ : cpu_;
  if (!found) throw std::runtime_error("this addon was built without a process group for tensors on " + tensor.device().str());
  return *found;
}

// Where there is NCCL alone, what lies on the CPU travels by way of the GPU.
at::Tensor Group::reachable(const at::Tensor& tensor) const {
  return tensor.is_cpu() && !cpu_ && gpu_ >= 0 ? tensor.to(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(gpu_))) : tensor;
}

void Group::sum(const at::Tensor& tensor) {
  const at::Tensor there = reachable(tensor);
  begin_sum(there)->wait();
  if (!there.is_same(tensor)) tensor.copy_(there);
}

c10::intrusive_ptr<Work> Group::begin_sum(at::Tensor tensor) {
  std::vector<at::Tensor> tensors{std::move(tensor)};
  return backend(tensors[0]).allreduce(tensors);
}

void Group::broadcast(at::Tensor tensor, int root) {
  // As bytes, in the order of memory: whatever the dtype, and a channels-last tensor stays one.
  const at::Tensor there = reachable(tensor);
  const at::Tensor dense = there.is_non_overlapping_and_dense() ? there : there.contiguous();
  std::vector<at::Tensor> tensors{dense.as_strided({dense.numel()}, {1}).view(at::kByte)};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  backend(tensors[0]).broadcast(tensors, options)->wait();
  if (!dense.is_same(tensor)) tensor.copy_(dense);
}

std::vector<at::Tensor> Group::gather_equal(const at::Tensor& own) {
  const at::Tensor tensor = reachable(own);
  std::vector<std::vector<at::Tensor>> outputs(1);
  for (int i = 0; i < size_; ++i) outputs[0].push_back(at::empty_like(tensor));
  std::vector<at::Tensor> inputs{tensor};
  backend(tensor).allgather(outputs, inputs)->wait();
  for (at::Tensor& each : outputs[0]) each = each.to(own.device());
  return outputs[0];
}

std::vector<at::Tensor> Group::gather(const at::Tensor& tensor) {
  if (tensor.dim() == 0) throw std::invalid_argument("expected a tensor with rows to gather, got a single number");
  const at::Tensor own = at::full({1}, tensor.size(0), at::TensorOptions().dtype(at::kLong).device(tensor.device()));
  const at::Tensor lengths = at::cat(gather_equal(own)).cpu();
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape[0] = lengths.max().item<int64_t>();
  const at::Tensor padded = at::zeros(shape, tensor.options());
  padded.narrow(0, 0, tensor.size(0)).copy_(tensor);
  std::vector<at::Tensor> parts(size_);
  if (padded.numel() == 0) {
    for (int i = 0; i < size_; ++i) parts[i] = padded.narrow(0, 0, lengths[i].item<int64_t>());
    return parts;
  }
  const auto gathered = gather_equal(padded.view({-1}).view(at::kByte));
  for (int i = 0; i < size_; ++i)
    parts[i] = gathered[i].view(tensor.scalar_type()).view(shape).narrow(0, 0, lengths[i].item<int64_t>());
  return parts;
}

}  // namespace csrm::dist
