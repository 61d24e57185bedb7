#include "text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace strandline::tool {
namespace {

constexpr std::size_t kMost = 1 << 20;  // bytes

}  // namespace

Result<std::string> read_text(const std::string& path, const std::string& option, Readers readers) {
  const std::string where = option + " " + path;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is not waited for
  if (fd < 0) {
    return fail(Error::system(errno, option, path));
  }
  const std::unique_ptr<const int, void (*)(const int*)> closing(&fd, [](const int* open) { ::close(*open); });
  struct ::stat info {};
  if (::fstat(fd, &info) != 0) {
    return fail(Error::system(errno, option, path));
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(Errc::invalid_argument, where + ": no regular file");
  }
  if (readers == Readers::owner_and_group && (info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return fail(Errc::permission_denied, where + ": others may read or change it: chmod o=,g-w is wanted");
  }
  std::string text;
  while (text.size() <= kMost) {
    const std::size_t had = text.size();
    text.resize(had + 65536);
    const auto count = ::pread(fd, text.data() + had, text.size() - had, static_cast<::off_t>(had));
    if (count < 0) {
      return fail(Error::system(errno, option, path));
    }
    text.resize(had + static_cast<std::size_t>(count));
    if (count == 0) {
      return text;
    }
  }
  return fail(Errc::too_large, where + ": more than a mebibyte");
}

}  // namespace strandline::tool
