#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/sqlite/index_lock.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace strandline::store {

Result<IndexLock> IndexLock::open(std::string path) noexcept {
  auto file = file::open_regular(path, O_RDWR | O_CREAT, 0600);
  if (!file) {
    return fail(std::move(file.error()));
  }
  return IndexLock(std::move(*file), std::move(path));
}

Result<void> IndexLock::lock(long byte, Kind kind) noexcept {
  struct ::flock wanted {};  // l_pid must be 0
  wanted.l_type = kind == Kind::shared ? F_RDLCK : F_WRLCK;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = byte;
  wanted.l_len = 1;
  if (::fcntl(file_.get(), F_OFD_SETLK, &wanted) == 0) {
    return {};
  }
  return errno == EAGAIN || errno == EACCES ? file::about(Errc::busy, "in use:", path_)
                                            : tl::unexpected<Error>(Error::system(errno, "fcntl", path_));
}

void IndexLock::unlock(long byte) noexcept {
  struct ::flock wanted {};
  wanted.l_type = F_UNLCK;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = byte;
  wanted.l_len = 1;
  static_cast<void>(::fcntl(file_.get(), F_OFD_SETLK, &wanted));  // has no error that a held lock could meet
}

Result<IndexLock::Door> IndexLock::enter(std::chrono::milliseconds patience) noexcept {
  const auto until = std::chrono::steady_clock::now() + patience;
  // Not F_OFD_SETLKW: it has no deadline.
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, std::chrono::milliseconds(50))) {
    auto entered = lock(kDoor, Kind::exclusive);
    if (entered) {
      return Door(*this);
    }
    if (entered.error().code != Errc::busy || std::chrono::steady_clock::now() >= until) {
      return fail(std::move(entered.error()));
    }
    std::this_thread::sleep_for(pause);
  }
}

Result<void> IndexLock::set_generation(std::uint64_t generation) noexcept {
  return file::set_size(file_.get(), generation, path_);
}

}  // namespace strandline::store
