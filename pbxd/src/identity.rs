//! Who is on the other side of the socket, and what they may do.

use pbx_api::Permission;

use crate::config::Access;

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Look, and make plans.
    Viewer,
    /// Nothing.
    Nobody,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name, or `uid 1234` where it has none.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
}

impl Identity {
    /// Whether they may.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        match self.role {
            Role::Admin => true,
            Role::Viewer => !matches!(permission, Permission::PlanApply | Permission::ScheduleTurn),
            Role::Nobody => false,
        }
    }
}

/// The users and groups of the machine, as far as identities need them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads them. Read for each connection: they are small files, and a user who was added counts at once.
    pub(crate) fn read() -> Self {
        let read = |path| fs_err::read_to_string(path).unwrap_or_default();
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// Whether there is a user of this name.
    pub(crate) fn has_user(&self, name: &str) -> bool {
        self.passwd.lines().any(|line| line.split(':').next() == Some(name))
    }

    /// Whether there is a group of this name.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.group.lines().any(|line| line.split(':').next() == Some(name))
    }

    /// A user's name and primary group.
    fn user(&self, uid: u32) -> Option<(&str, u32)> {
        self.passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.len() > 3 && fields[2].parse() == Ok(uid))
                .then(|| Some((fields[0], fields[3].parse().ok()?)))
                .flatten()
        })
    }

    /// A user's name, or `uid 1234` where it has none.
    pub(crate) fn name(&self, uid: u32) -> String {
        self.user(uid).map_or_else(|| format!("uid {uid}"), |(name, _)| name.to_owned())
    }

    /// Whether a user is in a group, by its primary group or by membership.
    fn in_group(&self, user: &str, gid: u32, group: &str) -> bool {
        self.group.lines().any(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            fields.len() > 3
                && fields[0] == group
                && (fields[2].parse() == Ok(gid) || fields[3].split(',').any(|member| member == user))
        })
    }

    /// Who a user is here.
    pub(crate) fn identify(&self, uid: u32, own_uid: u32, access: &Access) -> Identity {
        let account = self.user(uid);
        let name = self.name(uid);
        let listed = |users: &[String], groups: &[String]| {
            account.is_some_and(|(user, gid)| {
                users.iter().any(|listed| listed == user) || groups.iter().any(|group| self.in_group(user, gid, group))
            })
        };
        let role = if uid == 0 || uid == own_uid || listed(&access.admin_users, &access.admin_groups) {
            Role::Admin
        } else if listed(&access.viewer_users, &access.viewer_groups) {
            Role::Viewer
        } else {
            Role::Nobody
        };
        Identity { name, role }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_known_by_user_and_group() {
        let accounts = Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\nrui:x:1001:50::/:/bin/sh\n".into(),
            group: "ops:x:50:\nphones:x:60:ana,eva\n".into(),
        };
        let access =
            Access { admin_groups: vec!["ops".into()], viewer_groups: vec!["phones".into()], ..Access::default() };
        let role = |uid| accounts.identify(uid, 900, &access).role;
        assert_eq!(
            (role(0), role(900), role(1001), role(1000), role(4242)),
            (Role::Admin, Role::Admin, Role::Admin, Role::Viewer, Role::Nobody)
        );
        assert_eq!(accounts.identify(4242, 900, &access).name, "uid 4242");
        let ana = accounts.identify(1000, 900, &access);
        assert!(ana.may(Permission::PlanCreate) && !ana.may(Permission::PlanApply));
        assert!(!ana.may(Permission::ScheduleTurn));
    }
}
