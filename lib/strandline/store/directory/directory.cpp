#include <strandline/drivers/file/failure.h>
#include <strandline/store/directory/directory.h>
#include <strandline/store/key.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace strandline::store {
namespace {

constexpr std::string_view kMarker = "strandline store 1\n";
constexpr const char* kMarkerName = "/strandline-store";
constexpr const char* kEntries = "/entries";
constexpr std::string_view kData = ".data";
constexpr std::string_view kJournal = ".journal";

// Whoever could change the directory could make the store serve anything.
Result<struct ::stat> facts_of_private(const std::string& path) {
  struct ::stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) {
    return tl::unexpected<Error>(Error::system(errno, "lstat", path));
  }
  if (S_ISLNK(facts.st_mode)) {
    return file::about(Errc::permission_denied, "a symlink is no store:", path);
  }
  if (!S_ISDIR(facts.st_mode)) {
    return file::about(Errc::invalid_argument, "not a directory:", path);
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return file::about(Errc::permission_denied, "others may write to it:", path);
  }
  if (facts.st_uid != ::geteuid()) {
    return file::about(Errc::permission_denied, "it belongs to another user:", path);
  }
  return facts;
}

Result<void> check_marker(FileSystem& files, const std::string& path) {
  auto file = files.open(path + kMarkerName, OpenFile::to_read);
  if (!file) {
    return file.error().code == Errc::not_found ? file::about(Errc::not_found, "not a store:", path)
                                                : fail(std::move(file.error()));
  }
  const auto bytes = read_all(**file);
  if (!bytes) {
    return fail(bytes.error().clone());
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  return text == kMarker ? Result<void>() : file::about(Errc::unsupported, "a store of another version:", path);
}

Result<void> mark(FileSystem& files, const std::string& path, const std::vector<std::string>& names) {
  const std::string marker = path + kMarkerName;
  if (std::find(names.begin(), names.end(), kMarkerName + 1) != names.end()) {
    return check_marker(files, path);
  }
  // What another process has made of it in this moment is a store's as well.
  const auto foreign = std::find_if(names.begin(), names.end(), [](const std::string& name) {
    return name != "live" && name != "entries" && !name.starts_with("strandline-store.") && !name.starts_with("index-");
  });
  if (foreign != names.end()) {
    return file::about(Errc::invalid_argument, "not a store, and not empty (" + *foreign + "):", path);
  }
  // A file of this call's own: of two that make a store at once, one may open what the other is renaming.
  static std::atomic<unsigned> calls{0};
  const std::string beside = marker + "." + std::to_string(::getpid()) + "-" + std::to_string(calls++);
  auto file = files.open(beside, OpenFile::fresh);
  if (!file) {
    return fail(std::move(file.error()));
  }
  auto done = write_all(**file, 0, std::as_bytes(std::span(kMarker)));
  done = done ? (*file)->sync() : std::move(done);
  done = done ? files.rename(beside, marker) : std::move(done);
  done = done ? files.sync_directory_of(marker) : std::move(done);
  return done;
}

}  // namespace

Result<Directory> Directory::open(std::shared_ptr<FileSystem> files, std::string path, Naming naming,
                                  bool must_exist) noexcept {
  return file::contained([&]() -> Result<Directory> {
    while (path.size() > 1 && path.ends_with('/')) {
      path.pop_back();
    }
    Directory directory(std::move(files), std::move(path), naming ? std::move(naming) : Naming(name_of_key));
    if (auto ready = must_exist ? check_marker(*directory.files_, directory.path_)
                                : directory.files_->make_directory(directory.path_);
        !ready) {
      return fail(std::move(ready.error()));
    }
    const auto facts = facts_of_private(directory.path_);
    if (!facts) {
      return fail(facts.error().clone());
    }
    directory.device_ = facts->st_dev;
    directory.inode_ = facts->st_ino;
    if (must_exist) {
      return directory;
    }
    const auto names = directory.files_->names_in(directory.path_);
    if (!names) {
      return fail(names.error().clone());
    }
    if (auto marked = mark(*directory.files_, directory.path_, *names); !marked) {
      return fail(std::move(marked.error()));
    }
    if (auto made = directory.files_->make_directory(directory.path_ + kEntries); !made) {
      return fail(std::move(made.error()));
    }
    return directory;
  });
}

Result<void> Directory::check_same() const noexcept {
  return file::contained([&]() -> Result<void> {
    const auto facts = facts_of_private(path_);
    if (!facts) {
      return fail(facts.error().clone());
    }
    return facts->st_dev == device_ && facts->st_ino == inode_
               ? Result<void>()
               : file::about(Errc::changed, "another directory has taken its place:", path_);
  });
}

std::string Directory::entry_path(const std::string& name) const {
  return path_ + kEntries + "/" + name.substr(0, 2) + "/" + name;
}

Result<void> Directory::make_folder_of(const std::string& name) const noexcept {
  return file::contained([&] {
    const std::string folder = path_ + kEntries + "/" + name.substr(0, 2);
    auto made = files_->make_directory(folder);
    // A store that a crash has left half made, and that was opened without making anything.
    if (!made && made.error().code == Errc::not_found) {
      made = files_->make_directory(path_ + kEntries);
      made = made ? files_->make_directory(folder) : std::move(made);
    }
    return made;
  });
}

Result<void> Directory::make_folder_for(std::string_view key) const noexcept {
  return file::contained([&] {
    auto same = check_same();
    return same ? make_folder_of(naming_(key)) : std::move(same);
  });
}

Result<JournalHeader> Directory::header_of(const std::string& name) const noexcept {
  return file::contained([&]() -> Result<JournalHeader> {
    auto journal = files_->open(entry_path(name) + std::string(kJournal), OpenFile::to_read);
    if (!journal) {
      return fail(std::move(journal.error()));
    }
    // Few keys are long: first what most headers fit in, then what the longest does.
    std::vector<std::byte> bytes;
    for (const std::size_t size : {std::size_t{4096}, kMaxKey + kMaxValidator + 4096}) {
      bytes.resize(size);
      std::size_t have = 0;
      while (have < size) {
        const auto count = (*journal)->read_at(have, std::span(bytes).subspan(have));
        if (!count) {
          return fail(count.error().clone());
        }
        if (*count == 0) {
          break;
        }
        have += *count;
      }
      auto header = decode_header(std::span(bytes).first(have));
      if (header || header.error().code != Errc::corrupt || have < size || size > 4096) {
        return header ? Result<JournalHeader>(std::move(header->header)) : fail(std::move(header.error()));
      }
    }
    return fail(Errc::corrupt, name);
  });
}

// All numbers are looked at: one that is free may stand before one that is the key's.
Result<Directory::Found> Directory::find(std::string_view key) const noexcept {
  return file::contained([&]() -> Result<Found> {
    if (auto same = check_same(); !same) {
      return fail(std::move(same.error()));
    }
    const std::string name = naming_(key);
    std::optional<std::string> free;
    for (std::size_t number = 0; number < kNamesPerKey; ++number) {
      std::string candidate = numbered_name(name, number);
      const auto header = header_of(candidate);
      if (header && header->key == key) {
        return Found{std::move(candidate), true};
      }
      // A header that cannot be read says nothing: the entry is begun anew.
      const bool is_free = !header && (header.error().code == Errc::not_found || header.error().code == Errc::corrupt);
      if (!header && !is_free) {
        return fail(header.error().clone());
      }
      if (is_free && !free) {
        free = std::move(candidate);
      }
    }
    if (!free) {
      return fail(Errc::conflict, "too many keys of one name: " + name);
    }
    return Found{std::move(*free), false};
  });
}

Result<void> Directory::remove(const std::string& name) const noexcept {
  return file::contained([&]() -> Result<void> {
    const std::string path = entry_path(name);
    auto done = check_same();
    done = done ? files_->remove(path + std::string(kJournal)) : std::move(done);
    done = done ? files_->sync_directory_of(path) : std::move(done);
    done = done ? remove_unfinished(name) : std::move(done);
    // Last: while it has its name, its lock keeps others from beginning the entry anew.
    return done ? files_->remove(path + std::string(kData)) : std::move(done);
  });
}

Result<void> Directory::remove_unfinished(const std::string& name) const noexcept {
  return file::contained([&]() -> Result<void> {
    const std::string path = entry_path(name);
    auto done = files_->remove(path + std::string(kData) + ".new");
    return done ? files_->remove(path + std::string(kJournal) + ".new") : std::move(done);
  });
}

bool Directory::is_there(const std::string& name) const noexcept {
  const auto found = file::contained([&]() -> Result<bool> {
    for (const std::string_view ending : {kData, kJournal}) {
      const auto file = files_->open(entry_path(name) + std::string(ending), OpenFile::to_read);
      if (file || file.error().code != Errc::not_found) {
        return true;
      }
    }
    return false;
  });
  return found.value_or(true);
}

std::uint64_t Directory::allocated(const std::string& name) const noexcept {
  std::uint64_t bytes = 0;
  static_cast<void>(file::contained([&]() -> Result<void> {
    for (const std::string_view ending : {kData, kJournal}) {
      const auto file = files_->open(entry_path(name) + std::string(ending), OpenFile::to_read);
      bytes += file ? (*file)->allocated().value_or(0) : 0;
    }
    return {};
  }));
  return bytes;
}

Result<void> Directory::for_each(const std::function<Result<void>(const std::string&)>& visit) const noexcept {
  return file::contained([&]() -> Result<void> {
    auto folders = files_->names_in(path_ + kEntries);
    if (!folders) {
      return folders.error().code == Errc::not_found ? Result<void>() : fail(folders.error().clone());
    }
    std::sort(folders->begin(), folders->end());
    for (const std::string& folder : *folders) {
      auto names = folder.size() == 2 ? files_->names_in(path_ + kEntries + "/" + folder)
                                      : Result<std::vector<std::string>>(std::vector<std::string>());
      if (!names) {
        return fail(names.error().clone());
      }
      std::sort(names->begin(), names->end());
      std::string last;
      for (const std::string& file : *names) {
        for (const std::string_view ending : {kData, kJournal}) {
          const std::string name = file.substr(0, file.size() - std::min(file.size(), ending.size()));
          if (file.ends_with(ending) && file.starts_with(folder) && name != last) {
            if (auto visited = visit(name); !visited) {
              return visited;
            }
            last = name;
          }
        }
      }
    }
    return {};
  });
}

}  // namespace strandline::store
