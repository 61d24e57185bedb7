// Fetched::State: what all copies of a Fetched share: the lease, and the fill while this process fetches.
// Threads: thread-safe, but adopt(). Blocks: its end and give_up(), until the fill has ended; start(), on disk and
// other processes. Errors: the store's and the filler's. Cost: a lease and a fill. Lifetime: its Fetcheds'.
#pragma once

#include <strandline/fill/fetcher.h>
#include <strandline/fill/lease_target.h>
#include <strandline/fill/want.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace strandline::fill {

// Invariant: fill_ runs only while the lease is the writer.
class Fetched::State : public std::enable_shared_from_this<State> {
 public:
  State(store::Lease lease, std::shared_ptr<Filler> filler, std::shared_ptr<origin::Origin> origin, std::string key,
        const FetchOptions& options)
      : filler_(std::move(filler)),
        origin_(std::move(origin)),
        key_(std::move(key)),
        options_(lasting(options)),
        lease_(std::move(lease)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { static_cast<void>(lease_.set_successor({})); }

  // Fetches, if nobody does, now or once they have gone.
  [[nodiscard]] Result<void> start();

  [[nodiscard]] const Resource<store::EntryDriver>& resource() const noexcept { return lease_.resource(); }
  [[nodiscard]] std::optional<Error> why_given_up() const noexcept { return given_up_->why(); }
  [[nodiscard]] const Limits& limits() const noexcept { return options_.limits; }
  [[nodiscard]] Validator validator() const;
  [[nodiscard]] store::Lease lease() const noexcept { return store::Lease(lease_.entry().shared_from_this()); }
  void give_up(const Error& why) noexcept;
  [[nodiscard]] bool fetching() const noexcept {
    MutexLock lock(mutex_);
    return !fill_.ended();
  }
  [[nodiscard]] FillProgress progress() const {
    MutexLock lock(mutex_);
    return fill_.progress();
  }

  // Of the version that the origin has said there is. One that tells no versions apart may have any by now: what is
  // there is not gone on with.
  [[nodiscard]] static Result<store::Lease> lease_of(store::Store& store, const std::string& name,
                                                     const origin::ObjectInfo& object);
  // Before start(), for a fill that runs already and was begun for somebody who wants `first`: takes the writer, if it
  // is to be had, and makes what is filled.
  [[nodiscard]] Result<std::unique_ptr<Target>> target(ByteRange first);
  void adopt(Fill fill) noexcept {
    MutexLock lock(mutex_);
    std::swap(fill_, fill);
  }

 private:
  [[nodiscard]] Result<void> fetch_if_nobody_does();
  // Without what was for the opening: each version would hold all before it, and what its opener knew.
  [[nodiscard]] static FetchOptions lasting(FetchOptions options) {
    options.found = {};
    options.before_asking = {};
    options.accept = {};
    options.refused = {};
    options.instead_of.reset();
    return options;
  }

  const std::shared_ptr<Filler> filler_;
  const std::shared_ptr<origin::Origin> origin_;
  const std::string key_;
  const FetchOptions options_;
  const std::shared_ptr<GivenUp> given_up_ = std::make_shared<GivenUp>();
  store::Lease lease_;  // its writer is touched by the fill while that runs, else under starting_
  Mutex starting_;      // held over the disk and other processes; before mutex_
  mutable Mutex mutex_;
  Fill fill_ STRANDLINE_GUARDED_BY(mutex_);  // ends before the lease
  std::optional<Want> first_;  // until it is there: whoever it was for may be told of the opening only later
};

}  // namespace strandline::fill
