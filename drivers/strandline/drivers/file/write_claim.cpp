#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/write_claim.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <new>
#include <string_view>

namespace strandline::file {
namespace {

constexpr std::string_view kMarkerHead = "strandline-resume 1 ";
constexpr int kLockAttempts = 16;  // each lost to somebody who published or gave up in between

// FNV-1a: against torn and edited markers, not against malice.
std::uint64_t check_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return hash;
}

std::string marker_text(std::uint64_t length) {
  std::string text = std::string(kMarkerHead) + std::to_string(length);
  const std::uint64_t check = check_of(text);
  return text + ' ' + std::to_string(check) + '\n';
}

std::optional<std::uint64_t> parse_marker(std::string_view text) {
  if (text.substr(0, kMarkerHead.size()) != kMarkerHead) {
    return {};
  }
  std::uint64_t length = 0;
  const std::string_view rest = text.substr(kMarkerHead.size());
  if (std::from_chars(rest.data(), rest.data() + rest.size(), length).ec != std::errc{} || length > kMaxOffset ||
      text != marker_text(length)) {
    return {};
  }
  return length;
}

Result<FileHandle> locked(const std::string& path, int flags) noexcept {
  Result<FileHandle> handle = open_regular(path, O_RDWR | flags);
  if (!handle) {
    return handle;
  }
  while (::flock(handle->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return about(Errc::busy, "is being written by somebody else:", path);
    }
    if (errno != EINTR) {
      return fail(Error::system(errno, "lock", path));
    }
  }
  return handle;
}

}  // namespace

WriteClaim::WriteClaim(std::string path, bool durable, ForkEpoch epoch)
    : path_(std::move(path)),
      side_path_(path_ + ".part"),
      marker_path_(path_ + ".resume"),
      fresh_path_(path_ + ".part.new"),
      durable_(durable),
      epoch_(epoch) {}

Result<FileHandle> WriteClaim::lock_side(const std::string& side) noexcept {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    Result<FileHandle> handle = locked(side, O_CREAT);
    if (!handle) {
      return handle;
    }
    // Between open and flock its owner may have renamed it to `path` or removed it: then we hold a lock on
    // published content, and must not touch it.
    const Result<FileFacts> ours = facts_of(handle->get(), side);
    const Result<std::optional<FileFacts>> there = look_at(side);
    if (!ours || !there) {
      return tl::unexpected<Error>((ours ? there.error() : ours.error()).clone());
    }
    if (there->has_value() && (*there)->identity == ours->identity) {
      return handle;
    }
  }
  return about(Errc::busy, "is being written by others:", side);
}

Result<std::shared_ptr<WriteClaim>> WriteClaim::take(const std::string& path, bool durable, ForkEpoch epoch) noexcept {
  try {
    const std::shared_ptr<WriteClaim> claim(new WriteClaim(path, durable, epoch));
    Result<FileHandle> side = lock_side(claim->side_path_);
    if (!side) {
      MutexLock lock(claim->mutex_);
      claim->published_ = true;  // nothing of ours to remove
      return same_error(side);
    }
    {
      MutexLock lock(claim->mutex_);
      claim->side_ = std::move(*side);
    }
    if (Result<void> recovered = claim->recover(); !recovered) {
      return same_error(recovered);
    }
    return claim;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "claim a file");
  }
}

Result<std::optional<std::uint64_t>> WriteClaim::marked_length(const std::string& path) noexcept {
  try {
    const std::string name = path + ".resume";
    const Result<std::optional<FileFacts>> there = look_at(name);
    if (!there || !there->has_value()) {
      return there ? Result<std::optional<std::uint64_t>>(std::optional<std::uint64_t>()) : same_error(there);
    }
    const Result<FileHandle> handle = open_regular(name, O_RDONLY);
    if (!handle) {
      if (handle.error().code == Errc::not_found) {
        return std::optional<std::uint64_t>();  // its owner has just committed
      }
      return same_error(handle);
    }
    std::array<std::byte, 128> buffer{};
    const Result<std::size_t> got = read_some(handle->get(), 0, buffer, name);
    if (!got) {
      return same_error(got);
    }
    const std::optional<std::uint64_t> length =
        parse_marker(std::string_view(reinterpret_cast<const char*>(buffer.data()), *got));
    if (!length) {
      return about(Errc::corrupt, "not a marker this version can read:", name);
    }
    return length;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "read a marker");
  }
}

Result<void> WriteClaim::recover() noexcept {
  // Leftovers of a crash between writing beside and renaming.
  if (Result<void> removed = remove_name(fresh_path_); !removed) {
    return removed;
  }
  const Result<std::optional<std::uint64_t>> length = marked_length(path_);
  if (!length || !length->has_value()) {
    return length ? Result<void>() : same_error(length);
  }
  if (const Result<FileHandle> content = open_regular(path_, O_RDWR)) {
    const Result<std::uint64_t> size = size_of(content->get(), path_);
    if (!size) {
      return same_error(size);
    }
    if (*size < **length) {
      return about(Errc::corrupt, "shorter than its marker says:", path_);
    }
    if (Result<void> cut = set_size(content->get(), **length, path_); !cut) {
      return cut;
    }
    if (durable_) {
      if (Result<void> synced = sync_data(content->get(), path_); !synced) {
        return synced;
      }
    }
  } else if (content.error().code != Errc::not_found) {
    return same_error(content);
  }
  return unmark();
}

WriteClaim::~WriteClaim() {
  if (epoch_.inherited()) {
    return;  // the names, and the lock, are the parent's
  }
  MutexLock lock(mutex_);
  if (!published_) {
    if (fresh_) {
      static_cast<void>(remove_name(fresh_path_));
    }
    // Removed before it is unlocked; an error leaves an unlocked side file, which the next claim takes over.
    static_cast<void>(remove_name(side_path_));
  }
  if (side_) {
    // Said aloud: a view's mapping keeps the open file, and with it the lock, alive after close().
    ::flock(side_.get(), LOCK_UN);
  }
}

Result<FileHandle> WriteClaim::side() noexcept {
  MutexLock lock(mutex_);
  if (Result<void> emptied = set_size(side_.get(), 0, side_path_); !emptied) {
    return same_error(emptied);
  }
  return duplicate(side_.get(), side_path_);
}

Result<FileHandle> WriteClaim::prepare_fresh_side() noexcept {
  MutexLock lock(mutex_);
  if (Result<void> removed = remove_name(fresh_path_); !removed) {
    return same_error(removed);
  }
  // Locked before it gets the name, so that the claim is never free in between.
  Result<FileHandle> fresh = locked(fresh_path_, O_CREAT | O_EXCL);
  if (!fresh) {
    return fresh;
  }
  fresh_ = std::move(*fresh);
  return duplicate(fresh_.get(), fresh_path_);
}

Result<void> WriteClaim::switch_to_fresh_side() noexcept {
  MutexLock lock(mutex_);
  if (Result<void> renamed = rename_file(fresh_path_, side_path_, false); !renamed) {
    return renamed;
  }
  ::flock(side_.get(), LOCK_UN);
  side_ = std::move(fresh_);
  return {};
}

Result<void> WriteClaim::mark(std::uint64_t length) noexcept {
  try {
    const std::string text = marker_text(length);
    MutexLock lock(mutex_);
    if (Result<void> removed = remove_name(fresh_path_); !removed) {
      return removed;
    }
    const Result<FileHandle> fresh = open_regular(fresh_path_, O_RDWR | O_CREAT | O_EXCL);
    if (!fresh) {
      return same_error(fresh);
    }
    const Result<std::size_t> written =
        write_some(fresh->get(), 0, std::as_bytes(std::span<const char>(text)), fresh_path_);
    Result<void> done;
    if (!written) {
      done = same_error(written);
    } else if (*written != text.size()) {
      done = fail(Errc::no_space, fresh_path_);
    } else if (durable_) {
      done = sync_data(fresh->get(), fresh_path_);
    }
    if (done) {
      done = rename_file(fresh_path_, marker_path_, false);
    }
    if (!done) {
      static_cast<void>(remove_name(fresh_path_));
      return done;
    }
    marked_ = length;
    return sync_names();
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "write a marker");
  }
}

Result<void> WriteClaim::unmark() noexcept {
  MutexLock lock(mutex_);
  if (Result<void> removed = remove_name(marker_path_); !removed) {
    return removed;
  }
  if (Result<void> synced = sync_names(); !synced) {
    return synced;
  }
  marked_.reset();
  return {};
}

std::optional<std::uint64_t> WriteClaim::marked() const noexcept {
  MutexLock lock(mutex_);
  return marked_;
}

Result<void> WriteClaim::publish(bool keep_existing, bool& renamed) noexcept {
  MutexLock lock(mutex_);
  if (!published_) {
    // Left by a rewrite that ran out of memory after preparing it.
    if (fresh_) {
      static_cast<void>(remove_name(fresh_path_));
      fresh_ = FileHandle();
    }
    const Result<FileFacts> ours = facts_of(side_.get(), side_path_);
    const Result<std::optional<FileFacts>> there = look_at(side_path_);
    if (!ours || !there) {
      return ours ? same_error(there) : same_error(ours);
    }
    if (!there->has_value() || (*there)->identity != ours->identity) {
      return about(Errc::changed, "was replaced by somebody else:", side_path_);
    }
    if (Result<void> moved = rename_file(side_path_, path_, keep_existing); !moved) {
      return moved;
    }
    published_ = true;
    ::flock(side_.get(), LOCK_UN);
  }
  renamed = true;  // also when an earlier call did it, and only its sync failed
  return sync_names();
}

Result<void> WriteClaim::sync_names() noexcept {
  if (!durable_) {
    return {};
  }
  Result<void> synced = sync_directory_of(path_);
  // A directory one may write to and not read cannot be opened to sync it; its file system can.
  if (!synced && synced.error().code == Errc::permission_denied) {
    if (const FileHandle any(::open(side_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)); any) {
      return ::syncfs(any.get()) == 0 ? Result<void>() : fail(Error::system(errno, "sync", path_));
    }
    if (const FileHandle any(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)); any) {
      return ::syncfs(any.get()) == 0 ? Result<void>() : fail(Error::system(errno, "sync", path_));
    }
  }
  return synced;
}

}  // namespace strandline::file
