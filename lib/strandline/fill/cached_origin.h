// CachedOrigin: another origin's objects, read through a store: what is there is not fetched again, and what is fetched
// stays there. Of all processes that read one object so, one fetches, what is waited for first.
// Threads: thread-safe; replies and sinks are called on threads of its own. Blocks: never; the destructor, as an
// origin's. Errors: the other origin's. What the store cannot take goes past it. Cost: a thread per call, as many as
// there are calls; a copy from the store's files. Lifetime: keeps the other origin.
#pragma once

#include <strandline/fill/fetcher.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace strandline::fill {

struct CachedOriginOptions {
  // An object's entry; null: its key.
  std::function<std::string(const std::string& key)> entry_of = {};
  // Of a read, so much is fetched and kept from being evicted at a time. While n reads are under way, 4 * n * step must
  // be below the store's cap.
  std::uint64_t step = 16 << 20;
  // Has the store a cap? Then objects that cannot be asked for in parts, which may not fit, go past it.
  bool capped = false;
  // An object of an origin that tells no versions apart is fetched anew after so long, once no read uses it.
  std::chrono::milliseconds untold_for{60'000};
  // Told of what the user may wish to know, on any thread; once of each for an object while it is open. Must not wait
  // for a read.
  enum class Note : std::uint8_t {
    stale,  // the origin does not answer, for this reason: what is there is served, which may be an old version
    past    // it goes past the store, for this reason
  };
  std::function<void(Note, const Error&)> note = {};
};

class ObjectSlot;
struct OpenObject;

// A version is looked for with the origin when an object is read first, when another than the one at hand is asked for,
// and when none is asked for; of an origin that tells no versions apart, as untold_for says. If the origin does not
// answer, and what it says may pass, an entry that is complete is served in its place. max_rate is not kept: the
// filler's is.
class CachedOrigin final : public origin::Origin {
 public:
  CachedOrigin(store::Store store, std::shared_ptr<Filler> filler, std::shared_ptr<origin::Origin> origin,
               CachedOriginOptions options = {});
  ~CachedOrigin() override;

  [[nodiscard]] std::string name() const override { return origin_->name(); }
  [[nodiscard]] std::string server(const std::string& key) const override { return origin_->server(key); }
  void stat(std::string key, origin::Reply<origin::ObjectInfo> reply, std::stop_token stop) noexcept override;
  void read(origin::ReadRequest request, std::shared_ptr<origin::Sink> sink, std::stop_token stop) noexcept override;

 private:
  class Reading;  // of a read, on its thread
  using Opened = origin::Outcome<std::shared_ptr<OpenObject>>;

  [[nodiscard]] std::string entry_of(const std::string& key) const {
    return options_.entry_of ? options_.entry_of(key) : key;
  }
  void tell(CachedOriginOptions::Note note, const Error& why) const {
    if (options_.note) {
      options_.note(note, why);
    }
  }
  [[nodiscard]] std::shared_ptr<ObjectSlot> slot_of(const std::string& key) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Opened object_for(const origin::ReadRequest& request, const std::stop_token& stop);
  [[nodiscard]] Opened open(const std::string& key, const std::shared_ptr<OpenObject>& at_hand,
                            const std::stop_token& stop);
  // What may be served though the origin does not answer.
  [[nodiscard]] std::optional<Fetched> open_stale(const std::string& key);
  template <class T>
  void tell_why_stopped(origin::Outcome<T>& outcome, const std::stop_token& by_user) const noexcept;

  store::Store store_;
  Fetcher fetcher_;
  const std::shared_ptr<origin::Origin> origin_;
  const CachedOriginOptions options_;
  Mutex mutex_;  // before a slot's
  std::map<std::string, std::shared_ptr<ObjectSlot>> slots_ STRANDLINE_GUARDED_BY(mutex_);
  const std::unique_ptr<Workers> workers_;  // the first to go
};

}  // namespace strandline::fill
