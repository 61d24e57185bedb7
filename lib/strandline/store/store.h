// Store: a cache on disk of content by key: survives crashes, is used by many processes at once, stays below a cap.
// Threads: thread-safe; cheap to copy. Blocks: on the disk; acquire() for up to a second on another process that is
// opening the entry. Errors: the system's, with the path; no_space when the cap is reached and nothing can go. Cost:
// acquire() of an open entry: a lock; else some ten system calls. Lifetime: leases may outlive it. The last copy's end
// waits for what the store's own thread is doing, callbacks included (on that thread it does not); then nothing is open
// but what leases hold. In a fork()ed child every call answers unsupported, or fails as its parts do.
#pragma once

#include <strandline/store/eviction/policy.h>
#include <strandline/store/lease.h>
#include <strandline/store/sealing/secret_key.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::store {

struct StoreOptions {
  // Bytes on the disk, of all entries' files together: never more, but for what file systems take for themselves. 0:
  // no cap.
  std::uint64_t max_bytes = 0;
  // Evicts, too, to leave so much free on the disk.
  std::uint64_t min_free_bytes = 0;
  Durability durability = Durability::process;
  // For Durability::batched: a sync after so much time, or so many bytes of an entry, whatever comes first.
  std::chrono::milliseconds batch_interval{1000};
  std::uint64_t batch_bytes = 64 << 20;
  // Which bytes go first; null: S3-FIFO.
  std::function<std::unique_ptr<EvictionPolicy>()> policy = {};
  // Do not make a store where there is none: not_found.
  bool must_exist = false;
  // Encrypts what is stored; the entries' keys, lengths and validators stay readable. Entries that are not encrypted
  // are begun anew; those of another key, and encrypted ones without a key, are permission_denied and left alone.
  std::optional<SecretKey> key = {};
};

struct AcquireOptions {
  // In bytes, when it is known: an entry of another length is of another version.
  std::optional<std::uint64_t> length = std::nullopt;
  bool want_writer = true;
  bool pin = false;  // the whole entry, from the start
};

struct EntryInfo {
  std::string key;
  std::string name;                                    // of its files
  std::optional<std::uint64_t> length = std::nullopt;  // bytes, when known
  std::uint64_t allocated = 0;                         // bytes on the disk, when last looked at
  std::uint64_t used = 0;                              // grows with every use of any entry
  bool complete = false;
};

struct StoreStats {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;          // on the disk, of all processes
  std::uint64_t max_bytes = 0;      // 0: no cap
  std::uint64_t evicted_bytes = 0;  // by this process, since it opened the store
  std::uint64_t open_entries = 0;   // in this process
};

// What verify() found.
struct VerifyReport {
  struct Bad {
    std::string key;
    std::string name;       // of its files
    ByteRange range;        // of blocks that are not what they were; those that touch are one
    bool given_up = false;  // else it still stands there: not asked for, or another process is writing the entry
  };
  struct Unreadable {
    std::string name;
    Error why;
    bool removed = false;
  };
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;             // read, and compared where there is a checksum
  std::uint64_t bad_bytes = 0;         // of `bad`
  std::uint64_t torn_journals = 0;     // a tail that a crash has left, cut off
  std::vector<Bad> bad;                // grows only
  std::vector<Unreadable> unreadable;  // likewise
};

class OpenStore;

class Store {
 public:
  [[nodiscard]] static Result<Store> open(std::string path, StoreOptions options = {}) noexcept;

  // The entry of the key, made if there is none; and to exactly one caller at a time, in all processes, its writer. A
  // validator other than that of what is there begins a new version: who reads the old one goes on undisturbed. busy
  // while the old one is being written. Without a validator any version will do.
  [[nodiscard]] Result<Lease> acquire(const std::string& key, const Validator& validator = {},
                                      const AcquireOptions& options = {}) noexcept;
  // Makes what a first acquire() of the key would have to make besides the entry's files: for who knows that it will
  // come, and has time now. Nothing depends on it.
  [[nodiscard]] Result<void> prepare(const std::string& key) noexcept;
  // What is there, without a writer, and without making anything: not_found.
  [[nodiscard]] Result<Lease> peek(const std::string& key) noexcept;
  // Is all of the range there? An empty one: is there an entry?
  [[nodiscard]] Result<bool> contains(const std::string& key, ByteRange range = {}) noexcept;
  // Removes the entry; who reads it goes on undisturbed. No error when there is none; busy while it is written.
  [[nodiscard]] Result<void> remove(const std::string& key) noexcept;
  // By key, byte by byte; those after `after`.
  [[nodiscard]] Result<std::vector<EntryInfo>> list(std::string_view prefix = {}, const EntryInfo* after = nullptr,
                                                    std::size_t limit = 1000) noexcept;
  [[nodiscard]] Result<StoreStats> stats() noexcept;
  // Frees so many bytes, those of least use first: how many it was.
  [[nodiscard]] Result<std::uint64_t> evict(std::uint64_t bytes) noexcept;
  // What this process has written survives a power cut. An error: all else does; of busy, by another process that is
  // opening the entry and has been stopped meanwhile, ask again.
  [[nodiscard]] Result<void> checkpoint() noexcept;
  // Reads everything that is there, and compares what has a checksum. `repair`: what is not what it was is given up, to
  // be fetched again, and an entry of which nothing is believed, its journal or its data file being gone or another's,
  // is removed. `progress` is called after every entry, and every 64 MiB of one; false ends it.
  [[nodiscard]] Result<VerifyReport> verify(bool repair,
                                            const std::function<bool(const VerifyReport&)>& progress = {}) noexcept;

 private:
  explicit Store(std::shared_ptr<OpenStore> store) noexcept : store_(std::move(store)) {}
  std::shared_ptr<OpenStore> store_;
};

}  // namespace strandline::store
