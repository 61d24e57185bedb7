#include <strandline/drivers/file/failure.h>
#include <strandline/fill/part_file.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace strandline::fill {
namespace {

constexpr const char* kPart = ".part";

}  // namespace

std::filesystem::path PartFile::with(const char* ending) const {
  return file_.native() + kPart + ending;
}

Result<PartFile> PartFile::open(const std::filesystem::path& file, store::EntryDriver::Options options) {
  options.name = file.native() + kPart;
  auto driver = std::make_unique<store::EntryDriver>();
  const store::EntryDriver& opened = *driver;
  auto state = driver->open(std::move(options));
  if (!state) {
    return fail(std::move(state.error()));
  }
  Validator validator = opened.header().validator;
  auto resource = Resource<store::EntryDriver>::on(std::move(driver), std::move(*state));
  if (!resource) {
    return fail(std::move(resource.error()));
  }
  return PartFile(file, std::move(*resource), std::move(validator));
}

Result<std::optional<PartFile>> PartFile::find(const std::filesystem::path& file, const std::string& key) noexcept {
  return file::contained([&]() -> Result<std::optional<PartFile>> {
    store::EntryDriver::Options options;
    options.key = key;
    options.must_exist = true;
    auto found = open(file, std::move(options));
    if (!found && found.error().code != Errc::not_found) {
      return fail(std::move(found.error()));
    }
    return found ? std::optional<PartFile>(std::move(*found)) : std::nullopt;
  });
}

Result<PartFile> PartFile::open(const std::filesystem::path& file, const std::string& key, const Validator& validator,
                                std::optional<std::uint64_t> length) noexcept {
  return file::contained([&] {
    store::EntryDriver::Options options;
    options.key = key;
    options.validator = validator;
    options.length = length;
    return open(file, std::move(options));
  });
}

// The journal goes last: without its data it says nothing, and the next one begins anew.
Result<void> PartFile::finish(bool replace) noexcept {
  return file::contained([&]() -> Result<void> {
    const auto data = with(".data");
    if (::renameat2(AT_FDCWD, data.c_str(), AT_FDCWD, file_.c_str(), replace ? 0 : RENAME_NOREPLACE) != 0) {
      const int why = errno;
      return why == EEXIST ? file::about(Errc::busy, "there is a file of this name already:", file_.native())
                           : fail(Error::system(why, "rename", data.native()));
    }
    if (::unlink(with(".journal").c_str()) != 0 && errno != ENOENT) {
      return fail(Error::system(errno, "remove", with(".journal").native()));
    }
    return {};
  });
}

Result<void> PartFile::discard() noexcept {
  return file::contained([&]() -> Result<void> {
    for (const char* const ending : {".journal", ".data"}) {
      if (::unlink(with(ending).c_str()) != 0 && errno != ENOENT) {
        return fail(Error::system(errno, "remove", with(ending).native()));
      }
    }
    return {};
  });
}

}  // namespace strandline::fill
