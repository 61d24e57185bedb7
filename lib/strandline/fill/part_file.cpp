#include <strandline/drivers/file/failure.h>
#include <strandline/fill/part_file.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace strandline::fill {
namespace {

std::string part_of(const std::filesystem::path& file) {
  return file.native() + ".part";
}
std::string data_of(const std::filesystem::path& file) {
  return part_of(file) + ".data";
}
std::string journal_of(const std::filesystem::path& file) {
  return part_of(file) + ".journal";
}

// The data goes last: who has it locked has the name.
Result<void> remove_parts(const std::filesystem::path& file) {
  for (const std::string& path : {journal_of(file), data_of(file)}) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return fail(Error::system(errno, "remove", path));
    }
  }
  return {};
}

}  // namespace

Result<PartFile> PartFile::open(const std::filesystem::path& file, store::EntryDriver::Options options) {
  options.name = part_of(file);
  // It is to be FILE, which has no journal: by then, all of it must be on the disk.
  options.durability = store::Durability::every_commit;
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
    const std::string data = data_of(file_);
    if (::renameat2(AT_FDCWD, data.c_str(), AT_FDCWD, file_.c_str(), replace ? 0 : RENAME_NOREPLACE) != 0) {
      const int why = errno;
      return why == EEXIST ? file::about(Errc::busy, "there is a file of this name already:", file_.native())
                           : fail(Error::system(why, "rename", data));
    }
    if (const std::string journal = journal_of(file_); ::unlink(journal.c_str()) != 0 && errno != ENOENT) {
      return fail(Error::system(errno, "remove", journal));
    }
    return {};
  });
}

Result<void> PartFile::discard() noexcept {
  return file::contained([&] { return remove_parts(file_); });
}

// Nobody else has it: who brings it has the data file locked, and the name leads to that file.
Result<void> PartFile::discard(const std::filesystem::path& file) noexcept {
  return file::contained([&]() -> Result<void> {
    const auto files = store::system_files();
    const auto data = files->open(data_of(file), store::OpenFile::to_write);
    if (!data) {
      return data.error().code == Errc::not_found ? remove_parts(file) : fail(data.error().clone());
    }
    if (auto locked = (*data)->try_lock(); !locked) {
      return locked;
    }
    const auto named = files->open(data_of(file), store::OpenFile::to_read);
    const auto its = named ? (*named)->identity() : fail(named.error().clone());
    const auto mine = (*data)->identity();
    if (!mine || !its || *mine != *its) {
      return file::about(Errc::busy, "another process has just begun it:", data_of(file));
    }
    return remove_parts(file);
  });
}

}  // namespace strandline::fill
