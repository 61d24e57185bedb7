// Lease: the use of one entry: its resource, perhaps its writer, and what it keeps from being evicted.
// Threads: a Lease, one at a time; its resource and writer, any. Blocks: as Store says. Errors: as Store says.
// Cost: a pointer. Lifetime: ending it ends its writer and its pins; the last one of an entry cancels the resource, of
// which copies may be left.
#pragma once

#include <strandline/store/entry/entry.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strandline::store {

class Lease {
 public:
  explicit Lease(std::shared_ptr<Entry> entry) noexcept : entry_(std::move(entry)) {}
  Lease(Lease&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)),
        writer_(std::exchange(other.writer_, std::nullopt)),
        pins_(std::exchange(other.pins_, {})) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      end();
      entry_ = std::exchange(other.entry_, nullptr);
      writer_ = std::exchange(other.writer_, std::nullopt);
      pins_ = std::exchange(other.pins_, {});
    }
    return *this;
  }
  ~Lease() { end(); }

  // Follows what this and other processes write. Its writer() and reactivate() are of no use: what they answer cannot
  // write. While somebody writes, waits go on; when nobody does, waits on missing bytes end with no_writer, and with
  // changed once another version has taken the entry's place.
  [[nodiscard]] const Resource<EntryDriver>& resource() const noexcept { return entry_->resource(); }
  // Null when somebody else has it, and once it has finished: committed, failed or stepped back.
  [[nodiscard]] Writer<EntryDriver>* writer() noexcept { return writer_ && writer_->active() ? &*writer_ : nullptr; }
  // Tries once more to become the writer, when others may have gone. True: writer() is there.
  [[nodiscard]] Result<bool> take_writer(Later* later = nullptr) noexcept;
  // Others may write from here on; what is missing stays missing until they do.
  void end_writing() noexcept;

  // Keeps bytes, there or not, from being evicted by anybody, until unpin() with the same range, or the lease's end.
  // Blocks for as long as an eviction of some of them takes, a second at the most: busy.
  [[nodiscard]] Result<void> pin(ByteRange range = Entry::kWhole) noexcept;
  void unpin(ByteRange range = Entry::kWhole) noexcept;

  [[nodiscard]] const std::string& key() const noexcept { return entry_->key(); }
  // Of the version that this is a lease of.
  [[nodiscard]] const Validator& validator() const noexcept { return entry_->validator(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return entry_->generation(); }
  [[nodiscard]] Entry& entry() const noexcept { return *entry_; }

 private:
  void end() noexcept;

  std::shared_ptr<Entry> entry_;  // null when moved from
  std::optional<Writer<EntryDriver>> writer_;
  std::vector<ByteRange> pins_;
};

}  // namespace strandline::store
