// FillState: one object being fetched: its transfers, what is known of it, and how it ends.
// Threads: answered() and ended() on the origin's threads, those of observers, outcome and progress on any; all else on
// the filler's own. Blocks: wait_ended(). Errors: kept as the outcome. Cost: see Filler. Lifetime: shared by its Fill,
// its transfers and, while it has something to do, the engine.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/fill/engine/engine.h>
#include <strandline/fill/engine/transfer.h>
#include <strandline/fill/filler.h>

#include <random>

namespace strandline::fill {

// Invariant: at most one transfer runs until the object is known; no transfer runs once it has ended, and the target is
// called no more.
class FillState final : public DemandObserver,
                        public Place<Turn>,
                        public Place<Restless>,
                        public std::enable_shared_from_this<FillState> {
 public:
  FillState(std::weak_ptr<Engine> engine, FillRequest request, std::shared_ptr<Server> server,
            const FillerOptions& options);

  // From transfers.
  [[nodiscard]] Result<void> answered(const Transfer& transfer, const origin::ObjectInfo& object,
                                      std::uint64_t offset) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Is what it brings all that there will be, however little was asked for? Then it may as well go on.
  [[nodiscard]] bool comes_as_a_whole() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Tells the engine that there is something to do here.
  void notice() noexcept;
  [[nodiscard]] Target& target() const noexcept { return *request_.target; }
  void on_demand(ByteRange missing) noexcept override STRANDLINE_EXCLUDES(mutex_);
  void on_moved(std::uint64_t position) noexcept override STRANDLINE_EXCLUDES(mutex_);
  void on_cancelled() noexcept override STRANDLINE_EXCLUDES(mutex_);

  // From the handle.
  [[nodiscard]] Result<void> wait_ended(std::stop_token stop) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool ended() const noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] FillProgress progress() const STRANDLINE_EXCLUDES(mutex_);
  void ask_to_pause(bool paused) noexcept STRANDLINE_EXCLUDES(mutex_);
  void ask_to_stop() noexcept STRANDLINE_EXCLUDES(mutex_) {
    request_stop();
    notice();
  }
  // Once it has ended: on the caller's thread, for an origin may have fills of this engine's to wait for.
  void let_go_of_origin() noexcept { request_.origin.reset(); }
  // The same for who tells the engine himself.
  void request_stop() noexcept STRANDLINE_EXCLUDES(mutex_);

  // On the engine's second thread.
  void commit_target() noexcept STRANDLINE_EXCLUDES(mutex_);

  // On the filler's thread.
  [[nodiscard]] Server& server() const noexcept { return *server_; }
  // Did somebody wait when last looked at?
  [[nodiscard]] bool wanted() const noexcept { return wanted_; }
  [[nodiscard]] bool running() const noexcept { return !transfers_.empty(); }
  // When it must be looked at though nothing happens.
  [[nodiscard]] std::optional<Clock::time_point> not_before() const noexcept {
    return decided_ || committing_ || held_ ? std::nullopt : not_before_;
  }
  // What users and transfers have left to be done.
  void obey() noexcept STRANDLINE_EXCLUDES(mutex_);
  void collect(Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  // Begins and ends transfers, as far as the server has connections free. True: it would have begun more.
  [[nodiscard]] bool look(Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  // Measures what came since the last time, and gives up what has fallen silent.
  void measure(Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  // No transfer runs, after a look: nobody measures any more.
  void rest() noexcept STRANDLINE_EXCLUDES(mutex_);
  void finish(Result<void> outcome) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Gives up a transfer that nobody waits for, the one with the most left. False: there is none.
  [[nodiscard]] bool yield() noexcept STRANDLINE_EXCLUDES(mutex_);

  // The engine's, under its mutex.
  bool noticed = false;
  std::shared_ptr<FillState> next_noticed;

 private:
  [[nodiscard]] Result<void> same_version_locked(const origin::ObjectInfo& object) const STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] std::optional<origin::ObjectInfo> object() const STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool comes_next_locked(ByteRange missing) const noexcept STRANDLINE_REQUIRES(mutex_);
  void begin(ByteRange range, bool demanded, Clock::time_point now);
  [[nodiscard]] bool apply(const Plan& plan, Clock::time_point now);
  [[nodiscard]] bool look_alone(const std::vector<Wanted>& wanted, bool whole, Clock::time_point now);
  void end_surplus(const std::vector<Wanted>& wanted, Clock::time_point now);
  [[nodiscard]] std::vector<Wanted> demand(Clock::time_point now);
  void learn_size(std::uint64_t size) STRANDLINE_EXCLUDES(mutex_);
  void transfer_ended(Transfer& transfer, Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  void failed(origin::Failure failure, const Transfer& transfer, Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Clock::duration patience(const Transfer& transfer) const noexcept;
  void measure(Transfer& transfer, Clock::time_point now);
  void commit(std::uint64_t length) noexcept;
  void end_if_over() noexcept STRANDLINE_EXCLUDES(mutex_);

  const std::weak_ptr<Engine> engine_;
  // Without its target once it has ended, of which the filler's thread lets go.
  FillRequest request_;
  const std::shared_ptr<Server> server_;
  const std::uint64_t max_rate_;

  // The filler's thread's.
  std::vector<std::shared_ptr<Transfer>> transfers_;
  std::uint64_t next_id_ = 1;
  Retry retry_;
  std::optional<Clock::time_point> not_before_;  // after a failure
  unsigned silences_ = 0;                        // one after the other
  Clock::time_point last_failure_{};             // that was counted
  unsigned changes_ = 0;                         // refusals of other versions, likewise
  bool wanted_ = false;
  bool held_ = false;            // paused, when last looked at
  bool surplus_ = false;         // likewise: has what comes as a whole come for nobody for a while?
  Clock::time_point used_at_{};  // when it was last looked at, and came for somebody
  std::minstd_rand random_{std::random_device()()};
  std::optional<Result<void>> decided_;      // how it ends, once no transfer runs any more, nor a commit
  std::optional<std::uint64_t> committing_;  // what has been handed to the engine's second thread: so long

  mutable Mutex mutex_;  // a leaf
  CondVar over_;
  bool paused_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool stopped_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool cancelled_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::optional<Result<void>> committed_ STRANDLINE_GUARDED_BY(mutex_);     // what has come of that
  std::optional<origin::ObjectInfo> object_ STRANDLINE_GUARDED_BY(mutex_);  // once an answer has come
  bool begun_ STRANDLINE_GUARDED_BY(mutex_) = false;       // has a version been confirmed, and the target told?
  bool sequential_ STRANDLINE_GUARDED_BY(mutex_) = false;  // it comes from its beginning only
  std::optional<Result<void>> outcome_ STRANDLINE_GUARDED_BY(mutex_);  // when it has ended
  FillProgress progress_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t demanded_to_ STRANDLINE_GUARDED_BY(mutex_) = 0;  // on_demand(): the farthest that has been looked at
  std::uint64_t looked_from_ STRANDLINE_GUARDED_BY(mutex_) = kMaxOffset;  // on_moved(): where a cursor was
  std::vector<std::shared_ptr<const Transfer>> under_way_ STRANDLINE_GUARDED_BY(mutex_);  // transfers_, for others
};

}  // namespace strandline::fill
