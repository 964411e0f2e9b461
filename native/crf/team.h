// The threads of one operator call. Threads are made for the call and joined at its end: nothing outlives it, and they inherit
// the caller's floating-point mode (denormals), which keeps results equal for any number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "buffer.h"

namespace csrm {

class Team {
 public:
  /// At most `threads` threads, the caller among them; fewer if the system refuses to make more.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  /// Calls body on ranges of at least `grain` that cover [0, n). Rethrows the first exception of any thread.
  void run(int64_t n, int64_t grain, const LoopBody& body);

 private:
  void serve();
  bool join();
  void take_chunks();

  std::vector<std::thread> workers_;

  // The loop; written while nobody is in it.
  const LoopBody* body_ = nullptr;
  int64_t size_ = 0, chunk_ = 1;
  // Threads touch these at their own times: each has a cache line, so that none waits for another's.
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint64_t> generation_{0};  // of loops
  alignas(64) std::atomic<int> helping_{kClosed};    // workers in the loop, and whether more may still join it

  // From here on only for who is tired of spinning, for exceptions and for the end. A lock that all took at every loop would send to
  // sleep whoever comes second, and both ends of a loop find all threads at it.
  alignas(64) std::atomic<int> asleep_{0};
  std::atomic<bool> waiting_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::exception_ptr error_;

  static constexpr int kClosed = 1 << 30;
};

}  // namespace csrm
