// What conditions are made of. The kinds of the configuration (makers.h) build these.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "route/pattern.h"
#include "route/subject.h"
#include "sluice/base/cidr.h"
#include "sluice/route/condition.h"

namespace sluice::route {

// A value of the subject matches any of the patterns.
class TextCondition final : public Condition {
 public:
  // `words`: how the configuration calls it, `host` or `header X-Env`.
  TextCondition(std::string words, Subject subject, std::vector<Pattern> patterns);
  [[nodiscard]] bool matches(const MatchInput& input) const override;
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] std::string compared(const MatchInput& input) const override;
  [[nodiscard]] std::vector<Anchors> anchors() const override;
  [[nodiscard]] const Subject& subject() const { return subject_; }
  [[nodiscard]] const std::vector<Pattern>& patterns() const { return patterns_; }

 private:
  std::string words_;
  Subject subject_;
  std::vector<Pattern> patterns_;
};

class SourceIp final : public Condition {
 public:
  explicit SourceIp(std::vector<base::Cidr> ranges);
  [[nodiscard]] bool matches(const MatchInput& input) const override;
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] std::string compared(const MatchInput& input) const override;
  [[nodiscard]] std::vector<Anchors> anchors() const override;
  [[nodiscard]] const std::vector<base::Cidr>& ranges() const { return ranges_; }

 private:
  std::vector<base::Cidr> ranges_;
};

// A parameter whose key and value match one of the pairs.
class Query final : public Condition {
 public:
  struct Pair {
    std::optional<Pattern> key;  // absent: any parameter, also one without key
    Pattern value;
  };
  explicit Query(std::vector<Pair> pairs);
  [[nodiscard]] bool matches(const MatchInput& input) const override;
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] std::string compared(const MatchInput& input) const override;
  [[nodiscard]] std::vector<Anchors> anchors() const override;
  [[nodiscard]] const std::vector<Pair>& pairs() const { return pairs_; }

 private:
  std::vector<Pair> pairs_;
};

class Not final : public Condition {
 public:
  explicit Not(std::unique_ptr<Condition> inner)
      : Condition(Form::not_), inner_(std::move(inner)) {}
  [[nodiscard]] bool matches(const MatchInput& input) const override;
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] std::string compared(const MatchInput& input) const override;
  [[nodiscard]] std::vector<Anchors> anchors() const override;
  [[nodiscard]] const Condition& inner() const { return *inner_; }

 private:
  std::unique_ptr<Condition> inner_;
};

// Form::any: one of its conditions holds; Form::all: each of them does. At least one.
class Group final : public Condition {
 public:
  Group(Form form, std::vector<std::unique_ptr<Condition>> conditions)
      : Condition(form), conditions_(std::move(conditions)) {}
  [[nodiscard]] bool matches(const MatchInput& input) const override;
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] std::string compared(const MatchInput& input) const override;
  [[nodiscard]] std::vector<Anchors> anchors() const override;
  [[nodiscard]] const std::vector<std::unique_ptr<Condition>>& conditions() const {
    return conditions_;
  }

 private:
  std::vector<std::unique_ptr<Condition>> conditions_;
};

}  // namespace sluice::route
