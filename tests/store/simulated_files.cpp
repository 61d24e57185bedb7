#include <tests/store/simulated_files.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace strandline::testing {

using store::BootId;
using store::DataIdentity;
using store::File;
using store::OpenFile;

namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kBlock = 4096;

using Sector = std::array<std::byte, kSector>;
// Nothing: a hole.
using Version = std::optional<Sector>;

}  // namespace

struct SimulatedFiles::Inode {
  std::uint64_t number = 0;
  struct Held {
    const void* by;  // an OpenOne
    ByteRange range;
    bool exclusive;
  };
  std::vector<Held> held;
  std::map<std::uint64_t, std::vector<Version>> sectors;  // the last is what it holds
  std::vector<std::uint64_t> sizes{0};

  [[nodiscard]] std::uint64_t size() const { return sizes.back(); }
  [[nodiscard]] bool is_hole(std::uint64_t sector) const {
    const auto it = sectors.find(sector);
    return it == sectors.end() || !it->second.back();
  }
  void set(std::uint64_t sector, Version version) {
    auto& versions = sectors[sector];
    if (versions.empty()) {
      versions.emplace_back();
    }
    versions.push_back(std::move(version));
  }
  [[nodiscard]] Sector get(std::uint64_t sector) const {
    return is_hole(sector) ? Sector{} : *sectors.at(sector).back();
  }
  void write(std::uint64_t offset, std::span<const std::byte> data) {
    while (!data.empty()) {
      Sector bytes = get(offset / kSector);
      const std::size_t count = std::min<std::size_t>(data.size(), kSector - offset % kSector);
      std::copy_n(data.begin(), count, bytes.begin() + static_cast<std::ptrdiff_t>(offset % kSector));
      set(offset / kSector, bytes);
      offset += count;
      data = data.subspan(count);
    }
    if (offset > size()) {
      sizes.push_back(offset);
    }
  }
  void cut(std::uint64_t to) {
    if (to < size()) {
      for (auto& [sector, versions] : sectors) {
        if (sector * kSector >= to && versions.back()) {
          versions.emplace_back();
        }
      }
      if (to % kSector != 0 && !is_hole(to / kSector)) {
        Sector bytes = get(to / kSector);
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(to % kSector), bytes.end(), std::byte{0});
        set(to / kSector, bytes);
      }
    }
    sizes.push_back(to);
  }
  void synced() {
    for (auto& [sector, versions] : sectors) {
      versions = {versions.back()};
    }
    sizes = {sizes.back()};
  }
  void lose_power(std::mt19937_64& random) {
    // Mostly all or nothing of what is pending; now and then each piece for itself.
    const std::uint64_t kind = random() % 4;
    const auto survivor = [&](const auto& versions) {
      const std::size_t last = versions.size() - 1;
      return versions[kind == 0 ? 0 : kind == 1 ? last : random() % versions.size()];
    };
    for (auto& [sector, versions] : sectors) {
      versions = {survivor(versions)};
    }
    sizes = {survivor(sizes)};
    for (auto& [sector, versions] : sectors) {
      if (sector * kSector >= size()) {
        versions = {Version()};
      }
    }
  }
};

class SimulatedFiles::OpenOne final : public File {
 public:
  OpenOne(SimulatedFiles& files, std::shared_ptr<Inode> inode, std::string path)
      : files_(files), inode_(std::move(inode)), path_(std::move(path)), process_(files.processes_) {}
  ~OpenOne() override { let_go({0, kMaxOffset}); }
  OpenOne(const OpenOne&) = delete;
  OpenOne& operator=(const OpenOne&) = delete;

  Result<void> try_hold(ByteRange range, Hold how) noexcept override {
    if (auto alive = check(); !alive) {
      return alive;
    }
    const bool exclusive = how == Hold::exclusive;
    for (const Inode::Held& held : inode_->held) {
      if (held.by != this && held.range.intersects(range) && (exclusive || held.exclusive)) {
        return fail(Errc::busy, path_);
      }
    }
    let_go(range);
    inode_->held.push_back({this, range, exclusive});
    return {};
  }
  void let_go(ByteRange range) noexcept override {
    std::vector<Inode::Held> kept;
    for (const Inode::Held& held : inode_->held) {
      if (held.by != this || !held.range.intersects(range)) {
        kept.push_back(held);
        continue;
      }
      if (held.range.begin < range.begin) {
        kept.push_back({this, {held.range.begin, range.begin}, held.exclusive});
      }
      if (range.end < held.range.end) {
        kept.push_back({this, {range.end, held.range.end}, held.exclusive});
      }
    }
    inode_->held = std::move(kept);
  }
  Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept override {
    const auto hold = std::find_if(inode_->held.begin(), inode_->held.end(), [&](const Inode::Held& held) {
      return held.by != this && held.range.intersects(range);
    });
    return hold == inode_->held.end() ? std::nullopt : std::optional(hold->range);
  }
  Result<std::uint64_t> allocated() const noexcept override {
    std::uint64_t sectors = 0;
    for (const auto& [sector, versions] : inode_->sectors) {
      sectors += versions.back() ? 1 : 0;
    }
    return sectors * kSector;
  }
  Result<Facts> facts() const noexcept override {
    const auto bytes = size();
    if (!bytes) {
      return fail(bytes.error().clone());
    }
    const Names& names = files_.names_.back();
    return Facts{*bytes,
                 std::any_of(names.begin(), names.end(), [&](const auto& name) { return name.second == inode_; })};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    if (auto alive = check(); !alive) {
      return fail(std::move(alive.error()));
    }
    const std::uint64_t end = std::min(inode_->size(), offset + out.size());
    std::size_t count = 0;
    while (offset < end) {
      const Sector bytes = inode_->get(offset / kSector);
      const auto part = static_cast<std::size_t>(std::min(end - offset, kSector - offset % kSector));
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset % kSector), part,
                  out.begin() + static_cast<std::ptrdiff_t>(count));
      offset += part;
      count += part;
    }
    return count;
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    std::size_t part = data.size();
    auto made = change("write", data.size(), part);
    inode_->write(offset, data.first(part));
    return made ? Result<std::size_t>(data.size()) : fail(std::move(made.error()));
  }
  Result<std::uint64_t> size() const noexcept override {
    auto alive = check();
    return alive ? Result<std::uint64_t>(inode_->size()) : fail(std::move(alive.error()));
  }
  Result<void> set_size(std::uint64_t size) noexcept override {
    std::size_t part = 1;
    auto made = change("set_size", 1, part);
    if (part == 1) {
      inode_->cut(size);
    }
    return made;
  }
  Result<void> sync() noexcept override {
    std::size_t part = 1;
    auto made = change("sync", 1, part);
    if (part == 1) {
      inode_->synced();
    }
    return made;
  }
  Result<void> punch(ByteRange range) noexcept override {
    std::size_t part = 1;
    auto made = change("punch", 1, part);
    if (part == 1) {
      const std::uint64_t begin = (range.begin + kBlock - 1) / kBlock * kBlock;
      const std::uint64_t end = range.end / kBlock * kBlock;
      for (std::uint64_t at = begin; at < end; at += kSector) {
        if (!inode_->is_hole(at / kSector)) {
          inode_->set(at / kSector, Version());
        }
      }
    }
    return made;
  }
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    if (auto alive = check(); !alive) {
      return fail(std::move(alive.error()));
    }
    const std::uint64_t size = inode_->size();
    const auto data = [&](std::uint64_t block) {
      for (std::uint64_t sector = block * (kBlock / kSector); sector < (block + 1) * (kBlock / kSector); ++sector) {
        if (!inode_->is_hole(sector)) {
          return true;
        }
      }
      return false;
    };
    std::uint64_t begin = from;
    while (begin < size && !data(begin / kBlock)) {
      begin = (begin / kBlock + 1) * kBlock;
    }
    if (begin >= size) {
      return std::optional<ByteRange>();
    }
    std::uint64_t end = begin;
    while (end < size && data(end / kBlock)) {
      end = (end / kBlock + 1) * kBlock;
    }
    return std::optional(ByteRange{begin, std::min(end, size)});
  }
  Result<DataIdentity> identity() const noexcept override {
    auto alive = check();
    return alive ? Result<DataIdentity>(DataIdentity{inode_->number, inode_->number * 7})
                 : fail(std::move(alive.error()));
  }

 private:
  [[nodiscard]] Result<void> check() const noexcept {
    return files_.dead_ || process_ != files_.processes_ ? Result<void>(fail(Errc::io, "dead")) : Result<void>();
  }
  [[nodiscard]] Result<void> change(const char* call, std::size_t size, std::size_t& part) noexcept {
    if (process_ != files_.processes_) {
      part = 0;
      return fail(Errc::io, "dead");
    }
    return files_.change(call, path_, size, part);
  }

  SimulatedFiles& files_;
  const std::shared_ptr<Inode> inode_;
  const std::string path_;
  const std::uint64_t process_;
};

SimulatedFiles::SimulatedFiles() : names_(1) {}

Result<void> SimulatedFiles::change(const char* call, const std::string& path, std::size_t size, std::size_t& part) {
  if (dead_) {
    part = 0;
    return fail(Errc::io, "dead");
  }
  if (fault) {
    if (auto allowed = fault(call, path); !allowed) {
      part = 0;
      return allowed;
    }
  }
  if (++changes_ == dies_at_) {
    dead_ = true;
    // Any part of a write; all or nothing of what is one step.
    part = static_cast<std::size_t>((dies_at_ * 2654435761U >> 4) % (size + 1));
    return fail(Errc::io, "died");
  }
  return {};
}

Result<std::unique_ptr<File>> SimulatedFiles::open(const std::string& path, OpenFile how) noexcept {
  if (dead_) {
    return fail(Errc::io, "dead");
  }
  auto found = names_.back().find(path);
  if (found == names_.back().end()) {
    if (how != OpenFile::fresh && how != OpenFile::made) {
      return fail(Errc::not_found, path);
    }
    std::size_t part = 1;
    if (auto made = change("create", path, 1, part); part == 0) {
      return fail(std::move(made.error()));
    }
    named();
    auto inode = std::make_shared<Inode>();
    inode->number = next_inode_++;
    found = names_.back().emplace(path, std::move(inode)).first;
  } else if (how == OpenFile::fresh) {
    found->second->cut(0);
  }
  if (dead_) {
    return fail(Errc::io, "died");
  }
  return std::make_unique<OpenOne>(*this, found->second, path);
}

// The directory as it was stays a way in which it may come back.
void SimulatedFiles::named() {
  names_.push_back(names_.back());
}

Result<void> SimulatedFiles::rename(const std::string& from, const std::string& to) noexcept {
  std::size_t part = 1;
  auto made = change("rename", to, 1, part);
  if (part == 1) {
    const auto found = names_.back().find(from);
    if (found == names_.back().end()) {
      return fail(Errc::not_found, from);
    }
    const auto inode = found->second;
    named();
    names_.back().erase(from);
    names_.back()[to] = inode;
  }
  return made;
}

Result<void> SimulatedFiles::remove(const std::string& path) noexcept {
  if (!dead_ && !names_.back().contains(path)) {
    return {};
  }
  std::size_t part = 1;
  auto made = change("remove", path, 1, part);
  if (part == 1) {
    named();
    names_.back().erase(path);
  }
  return made;
}

Result<void> SimulatedFiles::make_directory(const std::string& /*path*/) noexcept {
  return {};  // names are whole paths here
}

Result<std::vector<std::string>> SimulatedFiles::names_in(const std::string& path) const noexcept {
  std::vector<std::string> found;
  for (const auto& [name, inode] : names_.back()) {
    if (name.starts_with(path + "/") && name.find('/', path.size() + 1) == std::string::npos) {
      found.push_back(name.substr(path.size() + 1));
    }
  }
  return found;
}

Result<void> SimulatedFiles::sync_directory_of(const std::string& path) noexcept {
  std::size_t part = 1;
  auto made = change("sync_directory", path, 1, part);
  if (part == 1) {
    names_ = {names_.back()};
  }
  return made;
}

Result<BootId> SimulatedFiles::boot_id() const noexcept {
  if (no_boot_id) {
    return fail(Errc::not_found, "boot id");
  }
  BootId id{};
  id[0] = static_cast<std::byte>(boots_);
  id[1] = static_cast<std::byte>(boots_ >> 8);
  return id;
}

void SimulatedFiles::die_within(std::uint64_t k) noexcept {
  changes_ = 0;
  dies_at_ = k;
}

void SimulatedFiles::restart() noexcept {
  for (const auto& [path, inode] : names_.back()) {
    inode->held.clear();  // with the process
  }
  dead_ = false;
  dies_at_ = 0;
  ++processes_;
}

void SimulatedFiles::lose_power(std::mt19937_64& random) {
  restart();
  ++boots_;
  names_ = {names_[random() % 3 == 0 ? random() % names_.size() : random() % 2 == 0 ? 0 : names_.size() - 1]};
  for (const auto& [path, inode] : names_.back()) {
    inode->lose_power(random);
  }
}

std::shared_ptr<SimulatedFiles> SimulatedFiles::clone() const {
  auto copy = std::make_shared<SimulatedFiles>(*this);
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  for (Names& names : copy->names_) {
    for (auto& [path, inode] : names) {
      auto& own = copies[inode.get()];
      if (own == nullptr) {
        own = std::make_shared<Inode>(*inode);
        own->held.clear();
      }
      inode = own;
    }
  }
  return copy;
}

std::vector<std::string> SimulatedFiles::names() const {
  std::vector<std::string> all;
  for (const auto& [path, inode] : names_.back()) {
    all.push_back(path);
  }
  return all;
}

std::vector<std::byte> SimulatedFiles::contents(const std::string& path) const {
  const auto& inode = names_.back().at(path);
  std::vector<std::byte> bytes(inode->size());
  for (std::uint64_t at = 0; at < bytes.size(); ++at) {
    bytes[at] = inode->get(at / kSector)[at % kSector];
  }
  return bytes;
}

void SimulatedFiles::set_contents(const std::string& path, const std::vector<std::byte>& bytes) {
  const auto& inode = names_.back().at(path);
  inode->cut(0);
  inode->write(0, bytes);
  inode->synced();
}

}  // namespace strandline::testing
