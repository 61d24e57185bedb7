// TransferLoop: the thread on which all transfers of an origin run, in one multi handle of libcurl's.
// Threads: submit() and wake() on any; all else is the thread's own. Blocks: close() waits for the thread, unless it is
// that thread's. Errors: no_memory or busy from start(); then in the transfers' answers. Cost: a look at each transfer
// under way whenever something happens. Lifetime: the thread keeps it; ends with close().
#pragma once

#include <strandline/base/mutex.h>

#include "transfer.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace strandline::origin::http {

class TransferLoop : public std::enable_shared_from_this<TransferLoop> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<TransferLoop>> start(HttpOptions options);
  ~TransferLoop();

  [[nodiscard]] const HttpOptions& options() const noexcept { return state_.options; }
  // Answered on the thread; in order of submission only by chance.
  void submit(std::unique_ptr<Transfer> transfer) noexcept STRANDLINE_EXCLUDES(mutex_);
  // A stop was requested.
  void wake() noexcept;
  // Ends what runs as cancelled.
  void close() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  // Linked through the transfers: adding to it allocates nothing.
  class List {
   public:
    void push(std::unique_ptr<Transfer> transfer) noexcept;
    [[nodiscard]] std::unique_ptr<Transfer> take(Transfer& transfer) noexcept;
    [[nodiscard]] Transfer* first() const noexcept { return first_; }

   private:
    Transfer* first_ = nullptr;
    Transfer* last_ = nullptr;
  };

  explicit TransferLoop(HttpOptions options);
  void run() noexcept;
  // False: the loop is being closed, and nothing comes after these.
  [[nodiscard]] bool take_submitted() noexcept STRANDLINE_EXCLUDES(mutex_);
  void begin(std::unique_ptr<Transfer> transfer) noexcept;
  void end(Transfer& transfer, CURLcode code) noexcept;
  void end_stopped() noexcept;
  void end_finished() noexcept;
  // Deadlines, and reads that are held back.
  void look_after() noexcept;
  void end_all(Errc code, const char* why) noexcept;
  void wait() noexcept STRANDLINE_EXCLUDES(mutex_);
  // The handle goes back to the pool; its connection stays with the multi handle.
  void release(Transfer& transfer) noexcept;
  [[nodiscard]] bool on_thread() const noexcept { return std::this_thread::get_id() == thread_id_.load(); }

  LoopState state_;
  Multi multi_;
  std::vector<Easy> idle_;  // easy handles for the next transfers
  List running_;
  LoopClock::Clock::duration wait_{};  // at the most, before look_after() is due again

  std::atomic<std::thread::id> thread_id_{};
  std::atomic<bool> stops_{false};  // set by those who stop, cleared by the thread before it looks
  Mutex mutex_;                     // a leaf; nothing is called under it
  List submitted_ STRANDLINE_GUARDED_BY(mutex_);
  bool closing_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace strandline::origin::http
