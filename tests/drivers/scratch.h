// What the driver tests share: a scratch directory, bytes that tell where they belong, and a child process.
#pragma once

#include <doctest/doctest.h>
#include <strandline/driver/driver.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace strandline::testing {

using Bytes = std::vector<std::byte>;

class ScratchDir {
 public:
  ScratchDir() {
    std::string name = (std::filesystem::temp_directory_path() / "strandline-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::system_category(), name);
    }
    path_ = name;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
  // The names in it, sorted and joined by spaces.
  [[nodiscard]] std::string names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      found.push_back(entry.path().filename().native());
    }
    std::sort(found.begin(), found.end());
    std::string joined;
    for (const std::string& name : found) {
      joined += joined.empty() ? name : " " + name;
    }
    return joined;
  }

 private:
  std::filesystem::path path_;
};

// The byte at an offset: never zero, so that a made-up zero shows; `salt` tells generations apart.
inline std::byte byte_at(std::uint64_t offset, unsigned salt = 0) {
  return static_cast<std::byte>((offset * 131 + (offset >> 12) * 17 + salt * 59) % 251 + 1);
}

inline Bytes bytes_for(std::uint64_t begin, std::uint64_t size, unsigned salt = 0) {
  Bytes bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    bytes[i] = byte_at(begin + i, salt);
  }
  return bytes;
}

inline Bytes copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

// Writes all of the range, however short the single writes are.
template <class D>
Result<void> write_range(D& driver, std::uint64_t begin, std::uint64_t end, unsigned salt = 0) {
  const Bytes bytes = bytes_for(begin, end - begin, salt);
  std::span<const std::byte> rest(bytes);
  while (!rest.empty()) {
    const Result<std::size_t> done = driver.write_at(end - rest.size(), rest);
    if (!done) {
      return tl::unexpected<Error>(done.error().clone());
    }
    rest = rest.subspan(*done);
  }
  return {};
}

template <class D>
Result<Bytes> read_range(const D& driver, std::uint64_t begin, std::uint64_t end) {
  Bytes bytes(end - begin);
  std::span<std::byte> rest(bytes);
  while (!rest.empty()) {
    const Result<std::size_t> done = driver.read_at(end - rest.size(), rest);
    if (!done) {
      return tl::unexpected<Error>(done.error().clone());
    }
    rest = rest.subspan(*done);
  }
  return bytes;
}

template <class D>
bool holds(const D& driver, std::uint64_t begin, std::uint64_t end, unsigned salt = 0) {
  const Result<Bytes> bytes = read_range(driver, begin, end);
  return bytes && *bytes == bytes_for(begin, end - begin, salt);
}

// The code of an error, or 0 (no Errc) for success: makes one-line checks possible.
template <class T>
Errc code_of(const Result<T>& result) {
  return result ? Errc{} : result.error().code;
}

inline Bytes file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return copy_of(std::as_bytes(std::span<const char>(text)));
}

inline void make_file(const std::filesystem::path& path, std::uint64_t size, unsigned salt = 0) {
  const Bytes bytes = bytes_for(0, size, salt);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Runs body() in a forked child and answers its exit code; 128 + n when signal n ended it. The child leaves by
// _exit: no destructor or output buffer of the parent's runs twice.
template <class F>
int in_child(F&& body) {
  // What is buffered now would come out of both: a sanitizer's _exit flushes.
  std::cout.flush();
  std::fflush(nullptr);
  const ::pid_t child = ::fork();
  if (child == 0) {
    int code = 99;
    try {
      code = body();
    } catch (...) {
      code = 98;
    }
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace strandline::testing

// Inside in_child(): a check whose line number becomes the exit code's place in the message.
#define CHILD_CHECK(condition)                                                    \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: child: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                                   \
    }                                                                             \
  } while (false)
