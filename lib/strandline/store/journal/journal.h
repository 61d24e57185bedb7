// Journal: an open journal file: appends records, and rewrites itself when it has grown.
// Threads: thread-safe; appends one after the other. Blocks: on the disk. Errors: the file's; after a failed append
// that could not be taken back, io for good. Cost: a write(2) of some 24 bytes per append. Lifetime: closes on
// destruction.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/replay.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace strandline::store {

// Invariant: the file is a header and size_ - header bytes of records that replay() accepts, chained up to chain_;
// behind size_ there is nothing, or what a failed append has left and the next one, or the next opening, cuts off.
class Journal {
 public:
  // Writes a new journal, empty but for its header and how the version is encrypted, if it is, in place of any that is
  // there. It survives a power cut, unless it is of the first generation: then from the first sync() on, for what was
  // there before says nothing, and neither does what a power cut may leave of it.
  [[nodiscard]] static Result<std::unique_ptr<Journal>> create(std::shared_ptr<FileSystem> files, std::string path,
                                                               const JournalHeader& header,
                                                               const Cipher* cipher = nullptr) noexcept;
  struct Opened;
  // Goes on with the journal at `path`. What may be believed of it is in the answer; a torn tail is cut off. After a
  // restart of the system it is rewritten first, so that it says just that. `accept` is asked before anything is
  // changed: its error ends the opening.
  [[nodiscard]] static Result<Opened> open(std::shared_ptr<FileSystem> files, std::string path,
                                           const std::function<Result<void>(const Replay&)>& accept = {}) noexcept;

  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  [[nodiscard]] Result<void> append(RecordType type, std::initializer_list<std::uint64_t> numbers) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> append_note(std::span<const std::byte> payload) noexcept STRANDLINE_EXCLUDES(mutex_);
  // In one write: a commit, if there is one, and checksums of blocks.
  [[nodiscard]] Result<void> append_checksums(std::optional<std::uint64_t> commit,
                                              std::span<const std::pair<std::uint64_t, std::uint32_t>> sums) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // In one write, so that no crash parts them: what has been sealed, and that these bytes are there.
  [[nodiscard]] Result<void> append_sealed(std::span<const Piece> pieces, std::span<const ByteRange> ranges) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // A barrier, in two steps: between them the caller syncs the data. The second says whether it could.
  [[nodiscard]] std::uint64_t begin_barrier() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> end_barrier(std::uint64_t begun, bool synced) noexcept STRANDLINE_EXCLUDES(mutex_);
  // What has been appended survives a power cut. Appends go on meanwhile.
  [[nodiscard]] Result<void> sync() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Has the disk failed, so that nothing of it can be relied on?
  [[nodiscard]] bool is_broken() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Does what was found when it was opened give bytes up, and might a power cut take that back? Who wrote it may have
  // died before syncing it. Until sync() nothing may be written where others stood.
  [[nodiscard]] bool found_may_be_lost() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Rewrites the journal if it has grown to several times of what it was when last rewritten, unless a barrier is
  // under way.
  [[nodiscard]] Result<void> compact_if_grown() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Bytes on the disk; of one in many extents, more than its records have.
  [[nodiscard]] std::uint64_t allocated() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Where the next record goes, and what it continues.
  struct Position {
    std::uint64_t offset = 0;
    std::uint32_t chain = 0;
  };
  [[nodiscard]] Position position() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Nothing is written any more, not even by a call that has begun, and the name is let go of.
  void retire() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  Journal(std::shared_ptr<FileSystem> files, std::string path) noexcept;

  template <class Encode>
  [[nodiscard]] Result<void> append_locked(Encode&& encode) noexcept STRANDLINE_REQUIRES(mutex_);
  // Writes `image` beside the journal, syncs it and renames it into place.
  [[nodiscard]] Result<void> replace_locked(const JournalEncoder& image, bool synced = true) noexcept
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> compact_locked() noexcept STRANDLINE_REQUIRES(mutex_);

  const std::shared_ptr<FileSystem> files_;
  const std::string path_;
  mutable Mutex mutex_;  // a leaf, held while the disk works
  std::shared_ptr<File> file_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t size_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::uint64_t size_when_rewritten_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::uint32_t chain_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  bool broken_ STRANDLINE_GUARDED_BY(mutex_) = false;
  // Is the name known to survive a power cut? Who wrote the file may have died before syncing the directory.
  bool name_synced_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool found_may_be_lost_ STRANDLINE_GUARDED_BY(mutex_) = false;
  // Barriers under way hold sizes of this file: it is not rewritten meanwhile.
  unsigned barriers_ STRANDLINE_GUARDED_BY(mutex_) = 0;
};

struct Journal::Opened {
  std::unique_ptr<Journal> journal;
  Replay found;
};

}  // namespace strandline::store
