#include <strandline/serve/rules/rules.h>

#include <algorithm>

namespace strandline::serve {

bool is_at_or_below(std::string_view path, std::string_view prefix) noexcept {
  return path.starts_with(prefix) &&
         (prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/');
}

Result<PathPattern> PathPattern::parse(std::string_view text) {
  if (!text.starts_with('/') || text.size() > kLongest) {
    return fail(Errc::invalid_argument, "a path begins with '/', and has 256 characters at the most");
  }
  PathPattern pattern;
  pattern.text_ = text;
  if (text.find_first_of("*?") == std::string_view::npos) {
    return pattern;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool twice = text.substr(i).starts_with("**");
    const Kind kind = twice ? Kind::any : text[i] == '*' ? Kind::some : text[i] == '?' ? Kind::one : Kind::letter;
    pattern.steps_.push_back({kind, text[i]});
    i += twice ? 1 : 0;
  }
  return pattern;
}

bool PathPattern::matches(std::string_view path) const {
  if (steps_.empty()) {
    return is_at_or_below(path, text_);
  }
  // Which steps may come next: all ways at once, so that no pattern takes longer than its length for a character.
  std::vector<bool> next(steps_.size() + 1, false);
  const auto pass_empty = [&] {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (next[i] && (steps_[i].kind == Kind::some || steps_[i].kind == Kind::any)) {
        next[i + 1] = true;
      }
    }
  };
  next[0] = true;
  pass_empty();
  for (const char c : path) {
    next.back() = false;
    for (std::size_t i = steps_.size(); i-- > 0;) {  // backwards: what is reached now is not gone on from
      const Step& step = steps_[i];
      const bool takes = step.kind == Kind::any || (step.kind == Kind::letter ? step.letter == c : c != '/');
      const bool stays = step.kind == Kind::some || step.kind == Kind::any;
      const bool here = next[i] && takes;
      next[i] = here && stays;
      next[i + 1] = next[i + 1] || (here && !stays);
    }
    pass_empty();
  }
  return next.back();
}

std::shared_ptr<const Rule> rule_for(const Rules& rules, std::string_view path) {
  const auto fits = [path](const std::shared_ptr<const Rule>& rule) { return rule->path.matches(path); };
  const auto found = std::find_if(rules.begin(), rules.end(), fits);
  return found == rules.end() ? nullptr : *found;
}

}  // namespace strandline::serve
