// FileTree::list: the keys of a tree in the order of their bytes, page by page, without recursion.
#include <strandline/origin/file/file_tree.h>

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace strandline::origin::file {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

// What stands in a folder. A folder's name ends with '/', which sorts it as the keys below it are sorted: "a-" < "a/" <
// "a0".
struct Entry {
  std::string name;
  std::optional<std::uint64_t> size;  // of a file, once it was looked at
  bool link = false;
  [[nodiscard]] bool folder() const noexcept { return name.back() == '/'; }
};

class Walk {
 public:
  Walk(const Place& place, const ListRequest& request, const Ending& ending)
      : place_(place), request_(request), ending_(ending) {}

  // Throws std::bad_alloc.
  [[nodiscard]] Outcome<ListPage> page() {
    const std::size_t slash = request_.prefix.rfind('/');
    path_ = slash == std::string::npos ? std::string() : request_.prefix.substr(0, slash + 1);
    if (place_.whole_system() && path_.empty() && request_.prefix.empty()) {
      path_ = "/";
    }
    if (!can_be_folder(path_)) {
      return ListPage{};
    }
    auto done = enter();
    while (done && !folders_.empty() && !page_.next) {
      Level& level = folders_.back();
      path_.resize(level.path_size);
      if (level.next == level.entries.size()) {
        folders_.pop_back();
        continue;
      }
      Entry& entry = level.entries[level.next++];
      path_ += entry.name;
      done = entry.folder() ? enter() : add(entry);
    }
    if (!done) {
      return tl::unexpected(std::move(done.error()));
    }
    return std::move(page_);
  }

 private:
  struct Level {
    std::size_t path_size;  // of the folder, in path_
    std::vector<Entry> entries;
    std::size_t next = 0;
  };

  // Could a key begin so? Else nothing may be opened.
  [[nodiscard]] bool can_be_folder(const std::string& path) const noexcept {
    return path.empty() ? !place_.whole_system() : place_.check_key(path + "x").has_value();
  }
  // Can there be something to list at this path, or below it?
  [[nodiscard]] bool wanted(std::string_view path) const noexcept {
    const std::string_view prefix = request_.prefix, after = request_.after;
    const bool below = path.ends_with('/');
    const bool in_prefix = path.starts_with(prefix) || (below && prefix.starts_with(path));
    return in_prefix && (after.empty() || path > after || (below && after.starts_with(path)));
  }

  Outcome<void> add(const Entry& entry) {
    if (!entry.size) {
      return {};  // no file, or no longer there
    }
    if (page_.items.size() == request_.limit) {
      page_.next = page_.items.back().key;
    } else {
      page_.items.push_back({path_, entry.size});
    }
    return {};
  }

  // The folder at path_. What has gone meanwhile is passed over.
  Outcome<void> enter() {
    const std::string path = path_ == "/" ? path_ : path_.substr(0, path_.size() - (path_.empty() ? 0 : 1));
    auto handle = place_.open_path(path, O_RDONLY | O_DIRECTORY);
    if (!handle) {
      return handle.error().error.code == Errc::not_found ? Outcome<void>() : tl::unexpected(std::move(handle.error()));
    }
    const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(handle->get()));
    if (!folder) {
      return failed(errno, "open", path);
    }
    const int descriptor = handle->release();  // the DIR's
    Level level{path_.size(), {}};
    auto read = read_names(folder.get(), descriptor, level.entries);
    if (!read) {
      return read;
    }
    std::sort(level.entries.begin(), level.entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    look_at(descriptor, level.entries);
    folders_.push_back(std::move(level));
    return {};
  }

  Outcome<void> read_names(DIR* folder, int descriptor, std::vector<Entry>& entries) {
    const std::size_t path_size = path_.size();
    for (std::size_t seen = 0;; ++seen) {
      if (auto end = seen % 1024 == 0 ? ending_.now("list") : std::nullopt) {
        return tl::unexpected(std::move(*end));
      }
      errno = 0;
      const ::dirent* const found = ::readdir(folder);
      if (found == nullptr) {
        return errno == 0 ? Outcome<void>() : failed(errno, "read", path_);
      }
      const std::string_view name(found->d_name);
      if (name == "." || name == ".." || is_temporary(name)) {
        continue;
      }
      unsigned char type = found->d_type;
      if (struct ::stat facts{};
          type == DT_UNKNOWN && ::fstatat(descriptor, found->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
        type = static_cast<unsigned char>(IFTODT(facts.st_mode));
      }
      if (type != DT_DIR && type != DT_REG && type != DT_LNK) {
        continue;
      }
      path_ += name;
      path_ += type == DT_DIR ? "/" : "";
      if (wanted(path_)) {
        entries.push_back({path_.substr(path_size), {}, type == DT_LNK});
      }
      path_.resize(path_size);
    }
  }

  // The sizes of the files that may come on this page, while their folder is open.
  void look_at(int descriptor, std::vector<Entry>& entries) {
    const std::size_t path_size = path_.size();
    std::size_t room = request_.limit - page_.items.size() + 1;
    for (auto entry = entries.begin(); entry != entries.end() && room > 0; ++entry) {
      struct ::stat facts {};
      if (entry->folder()) {
        continue;
      }
      if (entry->link) {
        // What it leads to is an object if it can be read by this key; folders are not entered through links.
        path_ += entry->name;
        if (const auto object = place_.open_object(path_, O_PATH)) {
          entry->size = static_cast<std::uint64_t>(object->facts.st_size);
        }
        path_.resize(path_size);
      } else if (::fstatat(descriptor, entry->name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISREG(facts.st_mode)) {
        entry->size = static_cast<std::uint64_t>(facts.st_size);
      }
      room -= entry->size ? 1 : 0;
    }
  }

  const Place& place_;
  const ListRequest& request_;
  const Ending& ending_;
  std::string path_;  // of what is looked at: folders end with '/'
  std::vector<Level> folders_;
  ListPage page_;
};

}  // namespace

Outcome<ListPage> FileTree::list(const ListRequest& request, const Ending& ending) const noexcept {
  if (request.limit == 0) {
    return refused(Errc::invalid_argument, "a page of no keys", {});
  }
  return contained([&] { return Walk(place_, request, ending).page(); });
}

}  // namespace strandline::origin::file
