#include "transfer_loop.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace strandline::origin::http {
namespace {

constexpr std::size_t kMaxIdle = 64;  // easy handles; some KiB each
constexpr long kMaxIdleConnections = 128;
constexpr const char* kClosed = "the origin is gone";
constexpr std::chrono::minutes kLongWait{1};  // libcurl's own timers are in its poll

bool start_curl() noexcept {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  return started == CURLE_OK;
}

// While it lives, threads started here are deaf to signals: the program's handlers run on the program's threads, and
// OpenSSL's writes to a closed connection raise no SIGPIPE.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

void WakeLoop::operator()() const noexcept {
  loop->wake();
}

void TransferLoop::List::push(std::unique_ptr<Transfer> transfer) noexcept {
  Transfer* const added = transfer.release();
  added->next = nullptr;
  added->previous = last_;
  (last_ == nullptr ? first_ : last_->next) = added;
  last_ = added;
}

std::unique_ptr<Transfer> TransferLoop::List::take(Transfer& transfer) noexcept {
  (transfer.previous == nullptr ? first_ : transfer.previous->next) = transfer.next;
  (transfer.next == nullptr ? last_ : transfer.next->previous) = transfer.previous;
  return std::unique_ptr<Transfer>(&transfer);
}

TransferLoop::TransferLoop(HttpOptions options) : state_{std::move(options), {}, {}}, multi_(curl_multi_init()) {
  idle_.reserve(kMaxIdle);
}

TransferLoop::~TransferLoop() = default;

Result<std::shared_ptr<TransferLoop>> TransferLoop::start(HttpOptions options) {
  if (!start_curl()) {
    return strandline::fail(Errc::io, "libcurl cannot be initialised");
  }
  std::shared_ptr<TransferLoop> loop(new TransferLoop(std::move(options)));
  if (!loop->multi_) {
    return strandline::fail(Errc::no_memory);
  }
  // Else no more stay open than four for each transfer of this moment.
  if (curl_multi_setopt(loop->multi_.get(), CURLMOPT_MAXCONNECTS, kMaxIdleConnections) != CURLM_OK) {
    return strandline::fail(Errc::unsupported, "this libcurl cannot keep connections open");
  }
  try {
    const SignalsBlocked blocked;
    loop->thread_ = std::thread([loop] { loop->run(); });
  } catch (const std::system_error& error) {
    return strandline::fail(Errc::busy, std::string("no thread for HTTP: ") + error.what());
  }
  return loop;
}

void TransferLoop::submit(std::unique_ptr<Transfer> transfer) noexcept {
  transfer->on_stop(WakeLoop{this});
  MutexLock lock(mutex_);
  if (closing_) {
    lock.unlock();
    transfer->fail(Errc::cancelled, kClosed);
    return transfer->answer();
  }
  submitted_.push(std::move(transfer));
  lock.unlock();
  if (!on_thread()) {
    curl_multi_wakeup(multi_.get());
  }
}

void TransferLoop::wake() noexcept {
  stops_.store(true, std::memory_order_release);
  if (!on_thread()) {
    curl_multi_wakeup(multi_.get());
  }
}

void TransferLoop::close() noexcept {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  if (on_thread()) {
    return thread_.detach();
  }
  curl_multi_wakeup(multi_.get());
  thread_.join();
}

void TransferLoop::run() noexcept {
  thread_id_.store(std::this_thread::get_id());
  while (take_submitted()) {
    if (stops_.exchange(false, std::memory_order_acquire)) {
      end_stopped();
    }
    int running = 0;
    if (const CURLMcode code = curl_multi_perform(multi_.get(), &running); code != CURLM_OK) {
      end_all(code == CURLM_OUT_OF_MEMORY ? Errc::no_memory : Errc::io, curl_multi_strerror(code));
    }
    end_finished();
    look_after();
    wait();
  }
  end_all(Errc::cancelled, kClosed);
}

bool TransferLoop::take_submitted() noexcept {
  MutexLock lock(mutex_);
  List submitted = std::exchange(submitted_, List());
  const bool open = !closing_;
  lock.unlock();
  while (submitted.first() != nullptr) {
    auto transfer = submitted.take(*submitted.first());
    transfer->start(state_);
    begin(std::move(transfer));
  }
  return open;
}

void TransferLoop::begin(std::unique_ptr<Transfer> transfer) noexcept {
  // A stop before it was submitted may have been looked for before it was there.
  if (transfer->stop().stop_requested()) {
    transfer->fail(Errc::interrupted);
    return transfer->answer();
  }
  if (!idle_.empty()) {
    transfer->easy = idle_.back().release();
    idle_.pop_back();
  } else {
    transfer->easy = curl_easy_init();
  }
  if (transfer->easy == nullptr || !transfer->prepare(transfer->easy) ||
      curl_multi_add_handle(multi_.get(), transfer->easy) != CURLM_OK) {
    release(*transfer);
    transfer->fail(Errc::no_memory);
    return transfer->answer();
  }
  running_.push(std::move(transfer));
}

void TransferLoop::release(Transfer& transfer) noexcept {
  Easy easy(std::exchange(transfer.easy, nullptr));
  if (easy && idle_.size() < kMaxIdle) {
    curl_easy_reset(easy.get());
    idle_.push_back(std::move(easy));  // reserved
  }
}

void TransferLoop::end(Transfer& running, CURLcode code) noexcept {
  auto transfer = running_.take(running);
  curl_multi_remove_handle(multi_.get(), transfer->easy);
  const Transfer::Next next = transfer->ended(transfer->easy, code);
  release(*transfer);
  if (next == Transfer::Next::again) {
    return begin(std::move(transfer));
  }
  transfer->answer();
}

// In these loops what is begun again comes to stand behind those that are looked at.
void TransferLoop::end_stopped() noexcept {
  for (Transfer *transfer = running_.first(), *next = nullptr; transfer != nullptr; transfer = next) {
    next = transfer->next;
    if (transfer->stop().stop_requested()) {
      end(*transfer, CURLE_ABORTED_BY_CALLBACK);
    }
  }
}

void TransferLoop::end_finished() noexcept {
  int left = 0;
  while (CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
    char* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    end(*reinterpret_cast<Transfer*>(transfer), message->data.result);
  }
}

void TransferLoop::look_after() noexcept {
  const auto now = state_.clock.now();
  const auto wall_now = LoopClock::Clock::now();
  wait_ = kLongWait;
  for (Transfer *transfer = running_.first(), *next = nullptr; transfer != nullptr; transfer = next) {
    next = transfer->next;
    if (const auto until = transfer->paused_until(); until && *until <= wall_now && transfer->may_resume(wall_now)) {
      if (const CURLcode code = transfer->resume(); code != CURLE_OK) {
        end(*transfer, code);
        continue;
      }
    }
    if (transfer->expired(now)) {
      end(*transfer, CURLE_OPERATION_TIMEDOUT);
      continue;
    }
    if (const auto until = transfer->paused_until()) {
      wait_ = std::min(wait_, *until - wall_now);
    } else if (const auto due = transfer->due(); due != LoopClock::Clock::time_point::max()) {
      wait_ = std::min(wait_, due - now);
    }
  }
}

void TransferLoop::end_all(Errc code, const char* why) noexcept {
  List all = std::exchange(running_, List());
  while (all.first() != nullptr) {
    auto transfer = all.take(*all.first());
    curl_multi_remove_handle(multi_.get(), transfer->easy);
    release(*transfer);
    transfer->fail(code, why);
    transfer->answer();
  }
}

void TransferLoop::wait() noexcept {
  {
    MutexLock lock(mutex_);
    if (submitted_.first() != nullptr || closing_) {
      return;
    }
  }
  if (stops_.load(std::memory_order_acquire)) {
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(wait_, LoopClock::Clock::duration(0)));
  const CURLMcode code = curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(left.count()), nullptr);
  if (code != CURLM_OK) {
    end_all(code == CURLM_OUT_OF_MEMORY ? Errc::no_memory : Errc::io, curl_multi_strerror(code));
  }
}

}  // namespace strandline::origin::http
