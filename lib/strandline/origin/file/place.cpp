#include <strandline/origin/file/place.h>
#include <strandline/origin/http/protocol/http_date.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace strandline::origin::file {
namespace {

// A path that goes into one system call: PATH_MAX, less something.
constexpr std::size_t kPathBytes = 4000;

// Is the same request worth another try? Not after EIO: the kernel and the disk have tried again already, each for
// seconds, and a bad sector stays bad.
bool may_pass(int errno_value) noexcept {
  switch (errno_value) {
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ESTALE:  // another server, or another open, knows the file again
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

Errc code_of(int errno_value) noexcept {
  switch (errno_value) {
    case EXDEV:  // openat2: beyond the root
      return Errc::permission_denied;
    case ENAMETOOLONG:
    case EILSEQ:  // a name that this file system cannot have
      return Errc::invalid_argument;
    case ENXIO:
    case EISDIR:
      return Errc::unsupported;
    case EAGAIN:  // a lease, or renames that never end
    case EBUSY:
      return Errc::busy;
    case ETIMEDOUT:
      return Errc::timed_out;
    default:
      return from_errno(errno_value);
  }
}

int open_here(int folder, const char* path, int flags) noexcept {
  int fd = -1;
  do {
    fd = ::openat(folder, path, flags);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Not out of `folder`, however the links lie.
int open_beneath(int folder, const char* path, int flags) noexcept {
  struct ::open_how how {};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
    // EAGAIN: somebody renamed something while ".." of a link was resolved.
    if (fd >= 0 || (errno != EINTR && (errno != EAGAIN || tries >= 32))) {
      return static_cast<int>(fd);
    }
  }
}

// The same without openat2: component by component, none of which may be a link.
int open_without_links(int folder, std::string_view path, int flags) {
  FileHandle held;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    const int wanted = slash == std::string_view::npos ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    const int fd = open_here(folder, name.c_str(), wanted | O_NOFOLLOW);
    if (fd < 0) {
      struct ::stat facts {};
      const int reason = errno;
      const bool link = (reason == ENOTDIR || reason == ELOOP) &&
                        ::fstatat(folder, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(facts.st_mode);
      errno = link ? EXDEV : reason;
      return -1;
    }
    if (slash == std::string_view::npos) {
      return fd;
    }
    held = FileHandle(fd);
    folder = fd;
    path.remove_prefix(slash + 1);
  }
}

// "a/b/c" -> "a/b" and "c"; "c" -> "" and "c"; "/c" -> "/" and "c".
std::pair<std::string_view, std::string_view> split(std::string_view key) noexcept {
  const std::size_t slash = key.rfind('/');
  if (slash == std::string_view::npos) {
    return {{}, key};
  }
  return {key.substr(0, std::max<std::size_t>(slash, 1)), key.substr(slash + 1)};
}

// When it was changed, for clients; empty: that would not tell it from what it may be a moment later (RFC 9110, section
// 8.8.2.1), or is no time that has been.
std::string last_modified(const struct ::stat& facts) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::chrono::sys_seconds changed{std::chrono::seconds(facts.st_mtim.tv_sec)};
  const bool is_told = facts.st_mtim.tv_sec >= 0 && changed <= now - std::chrono::seconds(2);
  return is_told ? http::http_date(changed) : std::string();
}

tl::unexpected<Failure> irregular(const struct ::stat& facts, std::string_view key) noexcept {
  if (S_ISDIR(facts.st_mode)) {
    return refused(Errc::not_found, "a folder, not a file:", key);
  }
  if (S_ISLNK(facts.st_mode)) {
    return refused(Errc::permission_denied, "a symbolic link, which this kernel cannot keep inside the root:", key);
  }
  return refused(Errc::not_found,
                 S_ISFIFO(facts.st_mode)   ? "a FIFO, not a file:"
                 : S_ISSOCK(facts.st_mode) ? "a socket, not a file:"
                                           : "a device, not a file:",
                 key);
}

}  // namespace

tl::unexpected<Failure> failed(int errno_value, std::string_view what, std::string_view key) noexcept {
  Failure failure{Error::system(errno_value, what, key), may_pass(errno_value)};
  failure.error.code = code_of(errno_value);
  return tl::unexpected(std::move(failure));
}

tl::unexpected<Failure> failed(const Error& error) noexcept {
  return tl::unexpected(Failure{error.clone(), may_pass(error.cause.value())});
}

tl::unexpected<Failure> refused(Errc code, std::string_view why, std::string_view key) noexcept {
  Failure failure{Error::system(0, why, key), code == Errc::no_memory};
  failure.error.code = code;
  failure.error.cause.clear();
  return tl::unexpected(std::move(failure));
}

bool is_temporary(std::string_view name) noexcept {
  return name.starts_with(".strandline-") && name.ends_with(".tmp");
}

Outcome<Place> Place::open(const std::string& root, Links links) noexcept {
  if (root.empty()) {
    return Place(FileHandle(), links);
  }
  FileHandle handle(open_here(AT_FDCWD, root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!handle) {
    return failed(errno, "open", root);
  }
  return Place(std::move(handle), links);
}

Outcome<void> Place::check_key(std::string_view key) const noexcept {
  const auto bad = [key](std::string_view why) { return refused(Errc::invalid_argument, why, key.substr(0, 200)); };
  if (key.find('\0') != std::string_view::npos) {
    return bad("a NUL in a key:");
  }
  if (whole_system() != key.starts_with('/')) {
    return bad(whole_system() ? "not an absolute path:" : "an absolute path, or none:");
  }
  if (const auto name = split(key).second; name.empty() || name == "." || name == "..") {
    return bad("a folder's name, not a file's:");
  }
  for (std::string_view rest = key;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    if (is_temporary(name)) {
      return bad("the name of a write that is not finished:");
    }
    if (!whole_system() && (name.empty() || name == "." || name == "..")) {
      return bad("empty, '.' or '..' in a key:");  // no second spelling of any key
    }
    if (slash == std::string_view::npos) {
      return {};
    }
    rest.remove_prefix(slash + 1);
  }
}

Outcome<FileHandle> Place::open_path(std::string_view path, int flags) const {
  constexpr int kAlways = O_CLOEXEC;
  FileHandle held;  // of the folder so far, where the path is longer than a system call takes
  int folder = root_ ? root_.get() : AT_FDCWD;
  const auto open_part = [&](std::string_view part, int wanted) {
    const std::string text(part.empty() ? "." : part);
    if (!root_) {
      return open_here(folder, text.c_str(), wanted);
    }
    if (links_ == Links::resolved) {
      const int fd = open_beneath(folder, text.c_str(), wanted);
      // EPERM: a sandbox that does not know the call.
      if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
        return fd;
      }
    }
    return open_without_links(folder, text, wanted);
  };
  for (std::string_view rest = path;;) {
    const std::size_t cut = rest.size() > kPathBytes ? rest.rfind('/', kPathBytes) : std::string_view::npos;
    const bool last = cut == std::string_view::npos || cut == 0;
    // O_PATH would refuse no flag but has no use for this one; for all else: a FIFO is not waited for.
    const int wanted =
        last ? flags | kAlways | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK | O_NOCTTY) : O_PATH | O_DIRECTORY | kAlways;
    FileHandle next(open_part(last ? rest : rest.substr(0, cut), wanted));
    if (!next) {
      return failed(errno, "open", path.substr(0, 200));
    }
    if (last) {
      return next;
    }
    held = std::move(next);
    folder = held.get();
    rest.remove_prefix(cut + 1);
  }
}

Outcome<Place::Opened> Place::open_object(const std::string& key, int flags) const {
  if (auto checked = check_key(key); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  Opened opened;
  // First by O_PATH, which wakes no writer of a FIFO and winds no tape. By the second time it may be another file.
  for (const int how : {O_PATH, flags}) {
    auto handle = open_path(key, how);
    if (!handle) {
      Failure& failure = handle.error();
      // A name that no file can have here.
      failure.error.code = failure.error.code == Errc::invalid_argument ? Errc::not_found : failure.error.code;
      return tl::unexpected(std::move(failure));
    }
    opened.handle = std::move(*handle);
    if (::fstat(opened.handle.get(), &opened.facts) != 0) {
      return failed(errno, "stat", key);
    }
    if (!S_ISREG(opened.facts.st_mode)) {
      return irregular(opened.facts, key);
    }
    if (how == flags) {
      break;
    }
  }
  return opened;
}

Outcome<Place::Named> Place::folder_of(const std::string& key, Making making) const {
  if (auto checked = check_key(key); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  const auto [folder, name] = split(key);
  auto handle = open_path(folder, O_PATH | O_DIRECTORY);
  if (!handle && making != Making::no && handle.error().error.cause == std::errc::no_such_file_or_directory) {
    handle = make_folders(folder, making);
  }
  if (!handle && making != Making::no && handle.error().error.cause == std::errc::not_a_directory) {
    return refused(Errc::unsupported, "a file stands where a folder is needed:", key);
  }
  if (!handle) {
    return tl::unexpected(std::move(handle.error()));
  }
  return Named{std::move(*handle), std::string(name)};
}

Outcome<FileHandle> Place::make_folders(std::string_view folder, Making making) const {
  // What is there, links and all; below it there is nothing yet, and no link is followed.
  std::size_t end = folder.size();
  Outcome<FileHandle> parent;
  do {
    const std::size_t slash = folder.rfind('/', end - 1);
    end = slash == std::string_view::npos ? 0 : slash;
    parent = open_path(end == 0 && whole_system() ? "/" : folder.substr(0, end), O_PATH | O_DIRECTORY);
  } while (!parent && end > 0 && parent.error().error.cause == std::errc::no_such_file_or_directory);
  while (parent && end < folder.size()) {
    const std::size_t begin = end + (folder[end] == '/' ? 1 : 0);
    end = std::min(folder.find('/', begin), folder.size());
    const std::string name(folder.substr(begin, end - begin));
    if (name.empty()) {
      continue;  // "//", in a path of the whole system
    }
    if (::mkdirat(parent->get(), name.c_str(), 0777) != 0 && errno != EEXIST) {
      return failed(errno, "make folder", folder.substr(0, 200));
    }
    if (making == Making::durable) {
      if (auto synced = sync_folder(*parent, name); !synced) {
        return tl::unexpected(std::move(synced.error()));
      }
    }
    FileHandle next(open_here(parent->get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) {
      return failed(errno, "open", folder.substr(0, 200));
    }
    parent = std::move(next);
  }
  return parent;
}

Outcome<void> sync_folder(const FileHandle& folder, std::string_view key) noexcept {
  const FileHandle handle(open_here(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle) {
    return failed(errno, "open the folder of", key);
  }
  while (::fsync(handle.get()) != 0) {
    if (errno == EINVAL) {
      return {};  // a file system that has nothing to flush
    }
    if (errno != EINTR) {
      return failed(errno, "sync the folder of", key);
    }
  }
  return {};
}

ObjectInfo info_of(const struct ::stat& facts) {
  const auto nanoseconds = static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000'000'000 + facts.st_mtim.tv_nsec;
  // Without a Date: to tell versions apart for sure it is of no use, for times can be set (RFC 9110, section 8.8.2.2).
  // To ask again costs nothing.
  CachingFields caching;
  caching.cache_control = "max-age=0";
  caching.last_modified = last_modified(facts);
  return {static_cast<std::uint64_t>(facts.st_size),
          {Validator::Kind::weak,
           std::to_string(facts.st_size) + "-" + std::to_string(nanoseconds) + "-" + std::to_string(facts.st_ino)},
          true,
          {},
          std::move(caching)};
}

}  // namespace strandline::origin::file
