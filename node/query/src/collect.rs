//! What a scan keeps of the rows that the filter lets through: the first rows in order, or groups
//! with their aggregates; never all rows.

use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::plan::{Aggregate, AggregateKind, Grouping, Plan};
use crate::rank;
use crate::tree::{Any, Cell, Row};
use std::collections::{BTreeMap, BinaryHeap};

/// A row of the answer with its place in the order.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    /// Ends with the row's key, so that no two are equal.
    pub(crate) rank: Vec<u8>,
    pub(crate) row_key: Box<[u8]>,
    pub(crate) cells: Vec<Cell>,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The first rows in the order of the query.
#[derive(Debug)]
pub(crate) struct First {
    limit: usize,
    /// The last one on top.
    kept: BinaryHeap<Ranked>,
    scratch: Vec<u8>,
}

impl First {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new(), scratch: Vec::new() }
    }

    /// Takes a row, of which only a better one than the last is ever copied.
    pub(crate) fn take(&mut self, plan: &Plan, row: &Row<'_>) {
        self.scratch.clear();
        for order in &plan.orders {
            push_ranked(&mut self.scratch, &order.value, row, order.descending);
        }
        self.scratch.extend_from_slice(row.key);
        let is_full = self.kept.len() >= self.limit;
        if is_full && self.kept.peek().is_none_or(|last| last.rank <= self.scratch) {
            return;
        }
        let cells = plan.outputs.iter().map(|output| output.value.cell(row)).collect();
        self.keep(Ranked { rank: self.scratch.clone(), row_key: row.key.into(), cells });
    }

    fn keep(&mut self, row: Ranked) {
        self.kept.push(row);
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for row in other.kept {
            self.keep(row);
        }
    }

    pub(crate) fn into_sorted(self) -> Vec<Ranked> {
        self.kept.into_sorted_vec()
    }
}

/// Ranks a value; what needs no copy of a text is not copied.
fn push_ranked(rank: &mut Vec<u8>, value: &Any, row: &Row<'_>, descending: bool) {
    rank::push(rank, &value.cell(row), descending);
}

/// Groups and their aggregates.
#[derive(Debug)]
pub(crate) struct Groups {
    max: usize,
    groups: BTreeMap<Box<[u8]>, Group>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Group {
    keys: Vec<Cell>,
    counters: Vec<Counter>,
}

/// One aggregate on its way.
#[derive(Debug, Clone)]
struct Counter {
    count: u64,
    sum: f64,
    extreme: Cell,
}

impl Groups {
    fn new(max: usize) -> Self {
        Self { max, groups: BTreeMap::new(), scratch: Vec::new() }
    }

    fn take(&mut self, grouping: &Grouping, row: &Row<'_>) -> Result<(), QueryError> {
        self.scratch.clear();
        for key in &grouping.keys {
            push_ranked(&mut self.scratch, key, row, false);
        }
        if let Some(group) = self.groups.get_mut(self.scratch.as_slice()) {
            group.count(grouping, row);
            return Ok(());
        }
        let mut group = Group::new(grouping.keys.iter().map(|key| key.cell(row)), grouping);
        group.count(grouping, row);
        self.groups.insert(self.scratch.as_slice().into(), group);
        self.check()
    }

    fn check(&self) -> Result<(), QueryError> {
        if self.groups.len() > self.max {
            return Err(QueryError::Limit { what: "groups", max: self.max });
        }
        Ok(())
    }

    fn merge(&mut self, other: Self, grouping: &Grouping) -> Result<(), QueryError> {
        for (rank, group) in other.groups {
            match self.groups.get_mut(&rank) {
                Some(known) => known.merge(group, grouping),
                None => {
                    self.groups.insert(rank, group);
                }
            }
        }
        self.check()
    }

    /// The groups as rows of the answer: what `having` lets through, in order.
    fn into_first(
        mut self,
        plan: &Plan,
        grouping: &Grouping,
        (limit, at): (usize, &Row<'_>),
    ) -> (First, u64) {
        if grouping.keys.is_empty() && self.groups.is_empty() {
            // A count of nothing is 0.
            self.groups.insert(Box::default(), Group::new(std::iter::empty(), grouping));
        }
        let mut first = First::new(limit);
        let mut passed = 0;
        for (rank, group) in self.groups {
            let cells = group.into_cells(grouping);
            let row = Row { live: None, key: &rank, cells: &cells, ..*at };
            if plan.having.as_ref().is_none_or(|having| having.value(&row) == Some(true)) {
                passed += 1;
                first.take(plan, &row);
            }
        }
        (first, passed)
    }
}

impl Group {
    fn new(keys: impl Iterator<Item = Cell>, grouping: &Grouping) -> Self {
        let counter = Counter { count: 0, sum: 0.0, extreme: Cell::Missing };
        Self { keys: keys.collect(), counters: vec![counter; grouping.aggregates.len()] }
    }

    fn count(&mut self, grouping: &Grouping, row: &Row<'_>) {
        for (counter, aggregate) in self.counters.iter_mut().zip(&grouping.aggregates) {
            counter.take(aggregate, row);
        }
    }

    fn merge(&mut self, other: Self, grouping: &Grouping) {
        let aggregates = grouping.aggregates.iter();
        for ((counter, other), aggregate) in
            self.counters.iter_mut().zip(other.counters).zip(aggregates)
        {
            counter.count += other.count;
            counter.sum += other.sum;
            counter.keep_extreme(other.extreme, aggregate.kind);
        }
    }

    fn into_cells(self, grouping: &Grouping) -> Vec<Cell> {
        let results = self.counters.into_iter().zip(&grouping.aggregates);
        let results = results.map(|(counter, aggregate)| counter.result(aggregate.kind));
        self.keys.into_iter().chain(results).collect()
    }
}

impl Counter {
    fn take(&mut self, aggregate: &Aggregate, row: &Row<'_>) {
        match aggregate.kind {
            AggregateKind::Rows => self.count += 1,
            AggregateKind::Known => {
                self.count += u64::from(aggregate.argument.cell(row) != Cell::Missing);
            }
            AggregateKind::Sum | AggregateKind::Average => {
                if let Any::Number(number) = &aggregate.argument
                    && let Some(number) = number.value(row)
                {
                    self.count += 1;
                    self.sum += number;
                }
            }
            AggregateKind::Least | AggregateKind::Greatest => {
                self.keep_extreme(aggregate.argument.cell(row), aggregate.kind);
            }
        }
    }

    fn keep_extreme(&mut self, cell: Cell, kind: AggregateKind) {
        let replaces = match (&cell, &self.extreme) {
            (Cell::Missing, _) => false,
            (_, Cell::Missing) => true,
            (Cell::Number(one), Cell::Number(other)) => is_beyond(one, other, kind),
            (Cell::Time(one), Cell::Time(other)) => is_beyond(one, other, kind),
            (Cell::Word(one), Cell::Word(other)) => is_beyond(one, other, kind),
            _ => false,
        };
        if replaces {
            self.extreme = cell;
        }
    }

    fn result(self, kind: AggregateKind) -> Cell {
        match kind {
            AggregateKind::Rows | AggregateKind::Known => Cell::Number(number(self.count)),
            AggregateKind::Sum | AggregateKind::Average if self.count == 0 => Cell::Missing,
            AggregateKind::Sum => Cell::Number(self.sum),
            AggregateKind::Average => Cell::Number(self.sum / number(self.count)),
            AggregateKind::Least | AggregateKind::Greatest => self.extreme,
        }
    }
}

fn is_beyond<T: PartialOrd>(one: &T, other: &T, kind: AggregateKind) -> bool {
    if kind == AggregateKind::Least { one < other } else { one > other }
}

#[expect(clippy::cast_precision_loss, reason = "counts of entities are far below 2^53")]
const fn number(count: u64) -> f64 {
    count as f64
}

/// What one part of a scan found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) scanned: u64,
    pub(crate) matched: u64,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Rows(First),
    Groups(Groups),
}

/// The rows of an answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) rows: Vec<Ranked>,
    pub(crate) truncated: bool,
}

impl Found {
    pub(crate) fn new(plan: &Plan, limits: QueryLimits) -> Self {
        let kept = match plan.grouping {
            None => Kept::Rows(First::new(plan.limit.min(limits.rows_max))),
            Some(_) => Kept::Groups(Groups::new(limits.groups_max)),
        };
        Self { scanned: 0, matched: 0, kept }
    }

    /// Looks at a row.
    pub(crate) fn take(&mut self, plan: &Plan, row: &Row<'_>) -> Result<(), QueryError> {
        self.scanned += 1;
        if plan.filter.as_ref().is_some_and(|filter| filter.value(row) != Some(true)) {
            return Ok(());
        }
        self.matched += 1;
        match (&mut self.kept, &plan.grouping) {
            (Kept::Rows(first), _) => {
                first.take(plan, row);
                Ok(())
            }
            (Kept::Groups(groups), Some(grouping)) => groups.take(grouping, row),
            (Kept::Groups(_), None) => Ok(()),
        }
    }

    pub(crate) fn merge(&mut self, other: Self, plan: &Plan) -> Result<(), QueryError> {
        self.scanned += other.scanned;
        self.matched += other.matched;
        match (&mut self.kept, other.kept, &plan.grouping) {
            (Kept::Rows(first), Kept::Rows(other), _) => {
                first.merge(other);
                Ok(())
            }
            (Kept::Groups(groups), Kept::Groups(other), Some(grouping)) => {
                groups.merge(other, grouping)
            }
            (Kept::Rows(_) | Kept::Groups(_), _, _) => Ok(()),
        }
    }

    /// The rows of the answer. `at` lends the moment to conditions over groups.
    pub(crate) fn into_answered(self, plan: &Plan, limits: QueryLimits, at: &Row<'_>) -> Answered {
        let limit = plan.limit.min(limits.rows_max);
        let (first, all) = match (self.kept, &plan.grouping) {
            (Kept::Groups(groups), Some(grouping)) => {
                groups.into_first(plan, grouping, (limit, at))
            }
            (Kept::Rows(first), _) => (first, self.matched),
            (Kept::Groups(_), None) => (First::new(limit), 0),
        };
        let rows = first.into_sorted();
        let truncated = u64::try_from(rows.len()).is_ok_and(|shown| shown < all);
        Answered { rows, truncated }
    }
}
