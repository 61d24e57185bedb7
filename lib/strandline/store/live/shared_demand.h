// SharedDemand: what is waited for on one entry, in this process and in others: says to others what waits here lack,
// and tells who fetches here of both.
// Threads: thread-safe. Blocks: observers do, for as long as they like; else never. Errors: no_memory. Cost: a wait
// that is parked while another process fetches: a snapshot, some atomic stores, and a system call if that one must be
// woken. Lifetime: the entry's, and its core's, which calls it. docs/store.md has the protocol.
#pragma once

#include <strandline/drivers/fork_epoch.h>
#include <strandline/resource/core/core.h>
#include <strandline/store/live/live_file.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace strandline::store {

// Invariant: what said_ holds stands in the table, unless another process believes this one dead; nothing does while
// this process fetches.
class SharedDemand final : public DemandObserver {
 public:
  // Groups of waits that an entry of a process says; those over it come later.
  static constexpr std::size_t kMostSaid = 16;

  SharedDemand(Signals signals, std::uint64_t tag, std::weak_ptr<Core> core, ForkEpoch epoch) noexcept;
  SharedDemand(const SharedDemand&) = delete;
  SharedDemand& operator=(const SharedDemand&) = delete;
  ~SharedDemand() override;

  // Both its own and others', merged as Resource::demand() does.
  [[nodiscard]] Result<std::vector<Demand>> demand(std::size_t limit) const noexcept;
  // Are told of both; of others' on the store's thread.
  [[nodiscard]] Result<void> add(std::shared_ptr<DemandObserver> observer) noexcept STRANDLINE_EXCLUDES(mutex_);
  void remove(const std::shared_ptr<DemandObserver>& observer) noexcept STRANDLINE_EXCLUDES(mutex_);

  // Does this process fetch? Then nobody else needs to know what it waits for.
  void set_fetching(bool fetching) noexcept STRANDLINE_EXCLUDES(mutex_);
  // A wait has been parked here.
  void on_demand(ByteRange missing) noexcept override;
  void on_moved(std::uint64_t position) noexcept override;
  void on_cancelled() noexcept override;

  // For the store's thread. Says once more what is waited for here. True: and must do so again before long.
  [[nodiscard]] bool say_again() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Tells of what others have said since. False: no memory.
  [[nodiscard]] bool hear() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Asks to be woken when others say something; false when they have, since hear().
  [[nodiscard]] bool watch() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  struct Said {
    std::size_t slot = 0;
    Demand demand;
    Sync::time_point when;
  };

  void say() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Answers whether there is something in it that whoever fetches may not know of.
  [[nodiscard]] bool say_locked(DemandTable& table, std::span<const Demand> wanted) noexcept
      STRANDLINE_REQUIRES(mutex_);
  // As far as it is missing here too. May throw std::bad_alloc.
  [[nodiscard]] std::vector<Demand> others() const;
  // Calls call(DemandObserver&) for each.
  template <class Call>
  void tell(const Call& call) const noexcept STRANDLINE_EXCLUDES(mutex_);
  void update_flags_locked() noexcept STRANDLINE_REQUIRES(mutex_);

  const Signals signals_;
  const std::uint64_t tag_;
  const std::weak_ptr<Core> core_;
  const ForkEpoch epoch_;
  const std::uint64_t owner_;  // in the table

  mutable Mutex mutex_;  // before the resource's
  // Null where one has been removed, so that none is missed by who goes through them meanwhile.
  std::vector<std::shared_ptr<DemandObserver>> observers_ STRANDLINE_GUARDED_BY(mutex_);
  bool fetching_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::array<Said, kMostSaid> said_ STRANDLINE_GUARDED_BY(mutex_);
  std::size_t said_count_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::optional<std::uint32_t> heard_ STRANDLINE_GUARDED_BY(mutex_);  // Signals::demands(), when others were heard
  // Is there perhaps something to say, and somebody to tell? Written under the mutex; read without by the store's
  // thread, which asks of every entry in every round.
  std::atomic<bool> speaks_{false}, listens_{false};
};

}  // namespace strandline::store
