//! Pure: what must hold after every step of a walk, and once all is quiet.

use super::*;

impl Walk {
    pub fn check(&mut self) {
        let machine = &self.world.machine;
        let groups = machine.groups.values().filter_map(AnyGroup::consumer);
        groups.for_each(ConsumerGroup::check);
        self.check_clients();
        self.check_log();
    }

    /// No two clients that the group counts on work on one partition, and none is told to work on
    /// what another one has.
    fn check_clients(&self) {
        let mut owners: BTreeMap<(&str, TopicId, i32), &Client> = BTreeMap::new();
        for (at, client) in self.clients.iter().enumerate() {
            if client.is_adopted || client.epoch == 0 || !self.knows(at) {
                continue;
            }
            let owned = client.owned.iter();
            for (topic, index) in owned.flat_map(|(topic, of)| of.iter().map(move |it| (topic, it)))
            {
                let other = owners.insert((client.group, *topic, *index), client);
                assert!(
                    other.is_none(),
                    "two work on one partition: {client:?} {other:?}"
                );
            }
        }
    }

    /// What is durable is the same in a machine that loads the log; at times that one goes on.
    fn check_log(&mut self) {
        let before = World::durable(&self.world.machine);
        let loaded = self.world.loaded();
        for group in loaded.groups.values().filter_map(AnyGroup::consumer) {
            group.check();
        }
        let after = World::durable(&loaded);
        for id in GROUPS {
            let (before, after) = (before.get(id), after.get(id));
            // The members of a rebalance that is under way are lost with the process.
            let rebalances = before.is_some_and(|it| it.starts_with("rebalances"));
            assert!(
                rebalances || before == after,
                "{id}:\n{before:?}\n{after:?}"
            );
        }
        if self.random.u8(..24) == 0 {
            self.world.crash();
            self.forget_waits();
        }
    }

    /// All clients do as they should, for long enough: then each group has settled.
    pub fn settle(&mut self) {
        for client in &mut self.clients {
            client.tells_all = true;
        }
        self.change_topics();
        let mut left = QUIET_MS;
        while left > 0 {
            for at in (0..self.clients.len()).rev() {
                match self.clients[at].classic.is_some() {
                    true => self.go_on(at),
                    false => {
                        self.clients[at].obey();
                        self.heartbeat(at, false);
                    }
                }
                self.world.work();
                self.take_replies();
            }
            self.world.pass(1_500);
            self.take_replies();
            self.check_clients();
            left -= 1_500;
        }
        let groups = self.world.machine.groups.values();
        let mut settled = 0;
        for group in groups {
            let state = group.state();
            assert!(state == "Stable" || state == "Empty", "{group:?}");
            if let Some(group) = group.consumer() {
                group.check_settled(&self.world.in_cluster);
                settled += 1;
            }
        }
        for _ in 0..settled {
            self.note("settled");
        }
        for (at, client) in self.clients.iter().enumerate() {
            assert!(self.knows(at), "{client:?} is no member");
            if let Some(group) = self.world.machine.consumer(client.group) {
                let assigned = group.assigned_to(&client.id).unwrap();
                assert_eq!(client.owned, assigned, "{client:?}");
            }
        }
    }
}
