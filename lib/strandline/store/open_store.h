// OpenStore: a store as one process has it open: its entries, what they take, and the thread that looks after them.
// Threads: thread-safe. Blocks, Errors: as Store says. Cost: a thread. Lifetime: shared by Store handles and entries.
// docs/store.md has the order of its locks.
#pragma once

#include <strandline/store/directory/directory.h>
#include <strandline/store/entry/later.h>
#include <strandline/store/live/live_file.h>
#include <strandline/store/store.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

namespace strandline::store {

class Index;
struct IndexRow;

class OpenStore : public std::enable_shared_from_this<OpenStore> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<OpenStore>> open(
      std::string path, StoreOptions options, Directory::Naming naming = {},
      std::shared_ptr<FileSystem> files = system_files()) noexcept;
  OpenStore(const OpenStore&) = delete;
  OpenStore& operator=(const OpenStore&) = delete;
  ~OpenStore();
  // For who has the last Store: when it returns, what is not in use by leases is closed. Waits for the keeper's round.
  static void leave(std::shared_ptr<OpenStore> store) noexcept;

  // As Store has them.
  [[nodiscard]] Result<Lease> acquire(const std::string& key, const Validator& validator,
                                      const AcquireOptions& options);
  [[nodiscard]] Result<void> prepare(const std::string& key) { return directory_.make_folder_for(key); }
  [[nodiscard]] Result<Lease> peek(const std::string& key);
  [[nodiscard]] Result<void> remove(const std::string& key);
  [[nodiscard]] Result<std::vector<EntryInfo>> list(std::string_view prefix, const EntryInfo* after, std::size_t limit);
  [[nodiscard]] Result<StoreStats> stats();
  [[nodiscard]] Result<std::uint64_t> evict(std::uint64_t bytes);
  [[nodiscard]] Result<void> checkpoint();
  [[nodiscard]] Result<VerifyReport> verify(bool repair, const std::function<bool(const VerifyReport&)>& progress);

  // For its entries.
  [[nodiscard]] Result<void> reserve(std::uint64_t bytes) noexcept STRANDLINE_EXCLUDES(evicting_);
  void give_back(std::uint64_t bytes) noexcept;
  void taken(std::uint64_t bytes) noexcept { live_->used().fetch_add(bytes, std::memory_order_relaxed); }
  [[nodiscard]] bool make_room(std::uint64_t bytes) noexcept STRANDLINE_EXCLUDES(evicting_);
  void arrived(std::uint64_t entry, ByteRange range) noexcept STRANDLINE_EXCLUDES(policy_mutex_);
  void used(std::uint64_t entry, std::uint64_t chunk) noexcept STRANDLINE_EXCLUDES(policy_mutex_);
  void gone(std::uint64_t entry, ByteRange range) noexcept STRANDLINE_EXCLUDES(policy_mutex_);
  void closed(Entry& entry) noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  class EntryRoom;
  static constexpr std::size_t kStripes = 64;

  OpenStore(Directory directory, StoreOptions options, std::shared_ptr<LiveFile> live,
            std::unique_ptr<EvictionPolicy> policy, ForkEpoch epoch);
  // open_store_start.cpp
  [[nodiscard]] Result<void> start();
  [[nodiscard]] Result<void> open_index();
  [[nodiscard]] Result<void> rebuild_index();
  [[nodiscard]] Result<void> look_after_left_open();
  void mark_open(const std::string& name, const std::string& key, std::optional<std::uint64_t> length) noexcept;
  void put_row(const std::string& name, const std::string& key, std::optional<std::uint64_t> length) noexcept;
  void remove_row(const std::string& name) noexcept STRANDLINE_EXCLUDES(mutex_);
  void remove_rows_left() noexcept STRANDLINE_EXCLUDES(mutex_);

  [[nodiscard]] Mutex& opening_of(const std::string& key) noexcept;
  [[nodiscard]] std::shared_ptr<Entry> find_open(const std::string& name) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::shared_ptr<Entry>> open_entry(const std::string& name, const std::string& key,
                                                          const Validator& validator,
                                                          std::optional<std::uint64_t> length, bool must_exist);
  [[nodiscard]] Result<std::shared_ptr<Entry>> make_entry(std::uint64_t id, const std::string& name,
                                                          const std::string& key, const Validator& validator,
                                                          std::optional<std::uint64_t> length, bool must_exist);
  [[nodiscard]] Result<std::shared_ptr<Entry>> entry_for(const std::string& key, const Validator& validator,
                                                         const AcquireOptions& options, Later& later);
  [[nodiscard]] bool verify_entry(const std::string& name, bool repair, VerifyReport& report,
                                  const std::function<bool(const VerifyReport&)>& progress);
  [[nodiscard]] std::vector<std::shared_ptr<Entry>> open_entries() STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t id_of(const std::string& name) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] IndexRow row_of(Entry& entry) noexcept;
  void note_use(const std::string& name) noexcept STRANDLINE_EXCLUDES(mutex_);
  void flush_uses() noexcept STRANDLINE_EXCLUDES(mutex_);

  // open_store_evict.cpp
  [[nodiscard]] bool over(std::uint64_t more) const noexcept;
  [[nodiscard]] bool evict_until(const std::function<bool()>& enough) STRANDLINE_EXCLUDES(evicting_, mutex_);
  [[nodiscard]] bool evict_cold(const std::function<bool()>& enough, bool whatever_used) STRANDLINE_REQUIRES(evicting_);
  [[nodiscard]] bool evict_chunks(const std::function<bool()>& enough, Later& later) STRANDLINE_REQUIRES(evicting_);
  [[nodiscard]] bool evict_chunk(Chunk chunk, bool& whole_entry_is_busy, Later& later) STRANDLINE_REQUIRES(evicting_);
  [[nodiscard]] bool remove_unused(const std::string& name);
  [[nodiscard]] Result<void> remove_unreadable(const std::string& name);
  void forget(const std::string& name) STRANDLINE_EXCLUDES(mutex_, policy_mutex_);

  // open_store_follow.cpp
  static void look_after(std::weak_ptr<OpenStore> store, std::shared_ptr<LiveFile> live, std::shared_ptr<Mutex> rounds);
  [[nodiscard]] std::chrono::steady_clock::time_point round();

  const ForkEpoch epoch_;
  const Directory directory_;
  const StoreOptions options_;               // without its key
  std::shared_ptr<const SecretKey> secret_;  // constant once open; null: nothing is encrypted
  const std::shared_ptr<LiveFile> live_;
  std::unique_ptr<Index> index_;   // constant once open; null where there is none: then the directory is asked
  std::uint64_t opened_tick_ = 0;  // likewise
  std::atomic<std::uint64_t> next_tick_{0}, tick_end_{0};
  std::atomic<std::uint64_t> evicted_bytes_{0};
  std::atomic<std::uint64_t> reserved_since_look_{0};  // bytes since the disk was last asked how much is free
  std::atomic<bool> stopping_{false};
  const std::shared_ptr<Mutex> rounds_ = std::make_shared<Mutex>();  // held while the keeper holds the store: the first
  std::thread keeper_;

  std::array<Mutex, kStripes> opening_;           // one caller at a time finds and opens the entries of a stripe
  Mutex evicting_;                                // one thread at a time evicts; before all others but opening_
  Mutex policy_mutex_;                            // a leaf
  const std::unique_ptr<EvictionPolicy> policy_;  // guarded by policy_mutex_
  Mutex mutex_;                                   // a leaf
  struct Known {
    std::weak_ptr<Entry> entry;
    std::uint64_t id = 0;
  };
  CondVar opened_;  // opening_now_ has lost a name
  std::set<std::string> opening_now_ STRANDLINE_GUARDED_BY(mutex_);
  std::set<std::string> unsynced_ STRANDLINE_GUARDED_BY(mutex_);   // written, closed, and not synced since
  std::set<std::string> rows_left_ STRANDLINE_GUARDED_BY(mutex_);  // in the index, of entries that have gone
  std::vector<Later> postponed_ STRANDLINE_GUARDED_BY(mutex_);     // for the keeper
  std::unordered_map<std::string, Known> table_ STRANDLINE_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::string> names_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t next_id_ STRANDLINE_GUARDED_BY(mutex_) = 1;
  std::map<std::string, std::uint64_t> uses_ STRANDLINE_GUARDED_BY(mutex_);  // not in the index yet
  std::map<std::string, std::chrono::steady_clock::time_point> synced_;  // the keeper's: when an entry was last synced
};

}  // namespace strandline::store
