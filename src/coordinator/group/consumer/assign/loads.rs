//! Pure: finds the members with the fewest and the most partitions
//! (`UniformHeterogeneousAssignmentBuilder.MemberAssignmentBalancer` of Kafka).

/// Members that take partitions from each other, named by their numbers.
///
/// They stand in the order of how much they have. Those with least are at the beginning, and as
/// partitions are given to them one after the other, more members come to be among them; and so,
/// from the other end, with those that have most.
pub(super) struct Loads {
    members: Vec<usize>,
    least_end: usize,
    least_count: isize,
    next_least: usize,
    most_start: usize,
    most_end: usize,
    most_count: isize,
    /// One more than the index of the member that [`Loads::next_most`] named last.
    next_most: usize,
}

impl Loads {
    /// Of these members, at least one, which have so many partitions each (by number).
    pub fn of(members: &[usize], counts: &[usize]) -> Loads {
        let mut members = members.to_vec();
        members.sort_by_key(|member| (counts[*member], *member));
        let count_of = |member: Option<&usize>| member.map_or(0, |it| counts[*it]) as isize;
        Loads {
            least_end: 0,
            least_count: count_of(members.first()) - 1,
            next_least: 0,
            most_start: members.len(),
            most_end: members.len(),
            most_count: count_of(members.last()) + 1,
            next_most: members.len(),
            members,
        }
    }

    /// How much more the member with most has than the one with least.
    pub fn imbalance(&self, counts: &[usize]) -> usize {
        match (self.members.first(), self.members.last()) {
            (Some(least), Some(most)) => counts[*most] - counts[*least],
            _ => 0,
        }
    }

    /// The member that the next partition is for. It is taken to have one more from then on.
    pub fn next_least(&mut self, counts: &[usize]) -> usize {
        if self.next_least >= self.least_end {
            self.least_count += 1;
            while let Some(member) = self.members.get(self.least_end)
                && counts[*member] as isize == self.least_count
            {
                self.least_end += 1;
            }
            self.next_least = 0;
        }
        let member = self.members[self.next_least];
        self.next_least += 1;
        member
    }

    /// The member that gives a partition away, if one is left. It is taken to have one less from
    /// then on.
    pub fn next_most(&mut self, counts: &[usize]) -> Option<usize> {
        if self.next_most <= self.most_start {
            self.most_count = match self.most_end <= self.most_start && self.most_start > 0 {
                // All were excluded.
                true => counts[self.members[self.most_start - 1]] as isize,
                false => self.most_count - 1,
            };
            while self.most_start > 0
                && counts[self.members[self.most_start - 1]] as isize == self.most_count
            {
                self.most_start -= 1;
            }
            self.next_most = self.most_end;
        }
        self.next_most = self.next_most.checked_sub(1)?;
        Some(self.members[self.next_most])
    }

    /// The member that [`Loads::next_most`] has named last has nothing to give away.
    pub fn exclude_most(&mut self) {
        self.members.swap(self.next_most, self.most_end - 1);
        self.most_end -= 1;
    }

    /// Whether moving one more partition would make nothing better.
    pub fn is_balanced(&self) -> bool {
        self.most_count - self.least_count <= 1
    }
}
