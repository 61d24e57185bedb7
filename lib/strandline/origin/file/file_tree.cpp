#include <strandline/origin/file/file_tree.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace strandline::origin::file {
namespace {

constexpr std::size_t kPiece = 1 << 20;  // bytes at once, so that a stop is seen

Outcome<void> write_all(const FileHandle& handle, const WriteRequest& request, const Ending& ending) {
  for (std::uint64_t at = 0; at < request.content.size();) {
    if (auto end = ending.now(request.key)) {
      return tl::unexpected(std::move(*end));
    }
    const auto piece = request.content.subspan(at, std::min<std::uint64_t>(kPiece, request.content.size() - at));
    const auto count = strandline::file::write_some(handle.get(), at, piece, request.key);
    if (!count) {
      return failed(count.error());
    }
    at += *count;
  }
  return {};
}

}  // namespace

// A file with a name that is no key; it goes with this object.
class FileTree::Temporary {
 public:
  explicit Temporary(const FileHandle& folder) noexcept : folder_(folder.get()) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!name_.empty()) {
      ::unlinkat(folder_, name_.c_str(), 0);
    }
  }

  // Throws std::bad_alloc.
  [[nodiscard]] Outcome<void> make(std::string_view key) {
    static std::atomic<std::uint64_t> made{0};
    for (;;) {
      char number[48];
      std::snprintf(number, sizeof number, ".strandline-%lx-%llx.tmp", static_cast<unsigned long>(::getpid()),
                    static_cast<unsigned long long>(made.fetch_add(1, std::memory_order_relaxed)));
      std::string name(number);
      const int fd = ::openat(folder_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
      if (fd >= 0) {
        handle_ = FileHandle(fd);
        name_ = std::move(name);
        return {};
      }
      // What stands there a killed process has left, or one on another machine writes.
      if (errno != EEXIST && errno != EINTR) {
        return failed(errno, "make a file beside", key);
      }
    }
  }
  [[nodiscard]] const FileHandle& handle() const noexcept { return handle_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // Only this tells of a full disk on a network's file system, if nobody syncs.
  [[nodiscard]] Outcome<void> close(std::string_view key) noexcept {
    if (::close(handle_.release()) != 0 && errno != EINTR) {
      return failed(errno, "close", key);
    }
    return {};
  }
  // It has been renamed: no name to remove any more.
  void placed() noexcept { name_.clear(); }

 private:
  const int folder_;
  FileHandle handle_;
  std::string name_;
};

std::optional<Failure> Ending::now(std::string_view key) const noexcept {
  if (stop_.stop_requested()) {
    return Failure{Error::make(Errc::interrupted, key)};
  }
  if (going_ != nullptr && going_->load(std::memory_order_relaxed)) {
    return Failure{Error::make(Errc::cancelled, "the origin is going")};
  }
  return std::nullopt;
}

Outcome<ObjectInfo> FileTree::stat(const std::string& key) const noexcept {
  return contained([&]() -> Outcome<ObjectInfo> {
    return place_.open_object(key, O_PATH).map([](const Place::Opened& opened) { return info_of(opened.facts); });
  });
}

Outcome<Place::Opened> FileTree::open(const std::string& key) const noexcept {
  return contained([&] { return place_.open_object(key, O_RDONLY); });
}

Outcome<ObjectInfo> FileTree::write(const WriteRequest& request, const Ending& ending) noexcept {
  return contained([&]() -> Outcome<ObjectInfo> {
    if (auto end = ending.now(request.key)) {
      return tl::unexpected(std::move(*end));
    }
    auto named = place_.folder_of(request.key, durable_ ? Place::Making::durable : Place::Making::yes);
    if (!named) {
      return tl::unexpected(std::move(named.error()));
    }
    Temporary temporary(named->folder);
    struct ::stat facts {};
    auto done = temporary.make(request.key);
    done = done ? write_all(temporary.handle(), request, ending) : std::move(done);
    if (done && durable_) {
      if (const auto synced = strandline::file::sync_data(temporary.handle().get(), request.key); !synced) {
        done = failed(synced.error());
      }
    }
    done = done ? temporary.close(request.key) : std::move(done);
    if (done && ::fstatat(named->folder.get(), temporary.name().c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
      done = failed(errno, "stat", request.key);
    }
    if (!done) {
      return tl::unexpected(std::move(done.error()));
    }
    ObjectInfo info = info_of(facts);
    done = put_in_place(request, *named, temporary);
    if (done && durable_) {
      done = sync_folder(named->folder, request.key);
    }
    if (!done) {
      return tl::unexpected(std::move(done.error()));
    }
    return info;
  });
}

Outcome<void> FileTree::put_in_place(const WriteRequest& request, const Place::Named& named,
                                     Temporary& temporary) noexcept {
  const int folder = named.folder.get();
  const char* const name = named.name.c_str();
  const char* const made = temporary.name().c_str();
  MutexLock lock(changes_);
  struct ::stat there {};
  const bool exists = ::fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (!exists && errno != ENOENT) {
    return failed(errno, "stat", request.key);
  }
  if (exists && !S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode)) {
    return refused(Errc::unsupported,
                   S_ISDIR(there.st_mode) ? "a folder is called" : "no file, but a device or FIFO:", request.key);
  }
  if (request.if_match.kind != Validator::Kind::none) {
    auto now = stat(request.key);  // of what a link leads to
    if (!now && now.error().error.code != Errc::not_found) {
      return tl::unexpected(std::move(now.error()));
    }
    if (!now || now->validator != request.if_match) {
      return refused(Errc::changed, "not the version asked for:", request.key);
    }
  }
  if ((request.if_absent ? ::renameat2(folder, made, folder, name, RENAME_NOREPLACE)
                         : ::renameat(folder, made, folder, name)) == 0) {
    temporary.placed();
    return {};
  }
  // NFS, for one, has no RENAME_NOREPLACE. So it gets a second name, and loses the first with `temporary`.
  if (request.if_absent && (errno == EINVAL || errno == ENOSYS) && ::linkat(folder, made, folder, name, 0) == 0) {
    return {};
  }
  return request.if_absent && errno == EEXIST ? refused(Errc::changed, "there already:", request.key)
                                              : failed(errno, "rename", request.key);
}

Outcome<void> FileTree::remove(const std::string& key, const Ending& ending) noexcept {
  return contained([&]() -> Outcome<void> {
    if (auto end = ending.now(key)) {
      return tl::unexpected(std::move(*end));
    }
    auto named = place_.folder_of(key, Place::Making::no);
    if (!named && named.error().error.code == Errc::not_found) {
      return {};
    }
    if (!named) {
      return tl::unexpected(std::move(named.error()));
    }
    const int folder = named->folder.get();
    struct ::stat facts {};
    const bool there = ::fstatat(folder, named->name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT) {
      return failed(errno, "stat", key);
    }
    if (!there || S_ISDIR(facts.st_mode)) {
      return {};  // a folder is no object
    }
    if (!S_ISREG(facts.st_mode) && !S_ISLNK(facts.st_mode)) {
      return refused(Errc::unsupported, "no file, but a device or FIFO:", key);
    }
    if (::unlinkat(folder, named->name.c_str(), 0) != 0 && errno != ENOENT) {
      return failed(errno, "unlink", key);
    }
    return durable_ ? sync_folder(named->folder, key) : Outcome<void>();
  });
}

}  // namespace strandline::origin::file
