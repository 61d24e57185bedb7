// JournalFollower: reads a journal that another process may be appending to, from where it has come to.
// Threads: one. Blocks: on the disk. Errors: the file's. Cost: a read per call, or per 4 KiB of what is new. Lifetime:
// a record points into the follower until the next call.
#pragma once

#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/journal.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace strandline::store {

class JournalFollower {
 public:
  // Goes on at `from` in an open journal.
  JournalFollower(std::unique_ptr<File> journal, Journal::Position from) noexcept
      : file_(std::move(journal)), next_(from) {}
  // The next record; nothing when there is none yet, or only a part of one. It counts as read.
  [[nodiscard]] Result<std::optional<DecodedRecord>> next() noexcept;
  // For who has no time: reads on once, by 4 KiB at the most. What that has brought is then known: the next record of
  // it, which counts as read once it is taken.
  [[nodiscard]] Result<void> look() noexcept;
  [[nodiscard]] std::optional<DecodedRecord> known() const noexcept;
  void take(const DecodedRecord& record) noexcept { next_ = {next_.offset + record.size, record.chain}; }
  // Has the look come to the journal's end, and has all up to there been taken?
  [[nodiscard]] bool at_end() const noexcept;
  [[nodiscard]] Journal::Position position() const noexcept { return next_; }
  // How long this journal is, and whether it is the entry's still. What it had when it was replaced ends there.
  [[nodiscard]] Result<File::Facts> facts() const noexcept { return file_->facts(); }

 private:
  enum class Reads : std::uint8_t { one, all };  // a short one may be the end of the file
  [[nodiscard]] Result<void> read_ahead(std::size_t wanted, Reads reads) noexcept;

  std::unique_ptr<File> file_;
  Journal::Position next_;               // behind the last record that next() has answered
  std::unique_ptr<std::byte[]> buffer_;  // `filled_` bytes of the journal from buffer_begin_ on
  std::size_t capacity_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t buffer_begin_ = 0;
};

}  // namespace strandline::store
