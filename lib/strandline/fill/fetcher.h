// Fetcher: from an object of an origin, and a store, to a resource that can be read at once. One process fetches it,
// and what is waited for in any comes first; when that process goes, another goes on. Fetched: one such object, held
// open. Threads: thread-safe. Blocks: open(), on the origin and the disk; the end of a Fetched, until nothing of its
// fetching runs. Errors: the origin's and the store's. Cost: a question to the origin per open(), unless what is there
// will do. Lifetime: a Fetched may outlive its Fetcher; it keeps store and filler. It may not end in a callback of its
// resource.
#pragma once

#include <strandline/fill/filler.h>
#include <strandline/store/store.h>

#include <functional>
#include <memory>
#include <string>

namespace strandline::fill {

struct FetchOptions {
  Limits limits = {};  // the policy among them
  // Is any version that the store has good enough? Then a complete entry needs no origin.
  bool any_version = false;
  std::string store_key = {};  // of the entry; empty: the object's key
};

class Fetched {
 public:
  // Readable, and waitable; what a reader lacks is fetched next. Its waits end with failed once what they lack cannot
  // be had, and with changed when the origin has another version: open() anew.
  [[nodiscard]] const Resource<store::EntryDriver>& resource() const noexcept;
  // Is it this process that fetches, at this moment? Else another does, or it is complete.
  [[nodiscard]] bool fetching() const noexcept;
  // Of what this process fetches.
  [[nodiscard]] FillProgress progress() const;
  // Until all of it is there: an error says why it never will be.
  [[nodiscard]] Result<WaitOutcome> wait(const WaitOptions& options = {}) const noexcept;

 private:
  friend class Fetcher;
  class State;
  explicit Fetched(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class Fetcher {
 public:
  Fetcher(store::Store store, std::shared_ptr<Filler> filler) noexcept
      : store_(std::move(store)), filler_(std::move(filler)) {}

  // `stop` ends the asking: interrupted. busy: somebody is fetching another version of it, or one of an origin that
  // tells no versions apart.
  [[nodiscard]] Result<Fetched> open(std::shared_ptr<origin::Origin> origin, const std::string& key,
                                     const FetchOptions& options = {}, std::stop_token stop = {}) noexcept;

 private:
  [[nodiscard]] Result<store::Lease> lease_of(const std::string& key, const origin::ObjectInfo& object);

  store::Store store_;
  std::shared_ptr<Filler> filler_;
};

}  // namespace strandline::fill
