//! People and groups in an LDAP directory, the way Harbor uses one.
//!
//! A person logs in with a search for their entry by the search account, and then a bind with the
//! DN of that entry on a connection of its own. Nothing is kept between two questions, and nothing
//! here knows the database. Referrals to other directories are not followed: a password must not
//! go where an entry of the directory says.
//!
//! The scheme `ldap+starttls://` asks for `StartTLS`; Harbor has only `ldap://` and `ldaps://`, and
//! with a scheme its clients can set it without a new setting.

mod connection;
mod dn;
mod error;
mod groups;
mod settings;

use ldap3::{SearchEntry, ldap_escape};

use connection::{Connection, Dial, Search, code};
use dn::Name;
pub use dn::canonical_dn;
pub use error::{Error, Result};
pub use settings::{Scope, Settings, check_setting};
use settings::{attribute, filter, named};

/// How many entries a search for people or groups returns.
const MOST_FOUND: usize = 100;

/// A person as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name of their entry.
    pub dn: String,
    /// The value of the `ldap_uid` attribute, in the directory's spelling, that they were looked
    /// up by.
    pub username: String,
    /// `mail`, or else `email`.
    pub email: Option<String>,
    /// `cn`, or else `uid`, or else the user's name.
    pub realname: String,
    /// The groups that count: those of the membership attribute that lie below the groups' base
    /// and match their filter. Empty without a filter, and in results of a search.
    pub groups: Vec<Group>,
    /// Whether they are a member of `ldap_group_admin_dn`.
    pub admin: bool,
}

/// A group as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of its entry, as the directory spells it; compare and store [`canonical_dn`].
    pub dn: String,
    /// The first value of `ldap_group_attribute_name`, or else the DN.
    pub name: String,
}

/// A directory that can be asked.
#[derive(Clone, Debug)]
pub struct Directory {
    settings: Settings,
    dial: Dial,
    /// The filter for users, in parentheses or empty.
    filter: String,
    uid: String,
    membership: String,
    /// The filter for groups; None when groups are not looked at.
    group_filter: Option<String>,
    group_name: String,
    group_base: Name,
    admins: Option<Name>,
}

impl Directory {
    /// Checks the settings and reads the certificates, the system's from its files; connects
    /// nowhere.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(settings: Settings) -> Result<Self> {
        let base = named("ldap_base_dn", &settings.base_dn)?;
        let group_base = match settings.group_base_dn.trim() {
            "" => base,
            base => named("ldap_group_base_dn", base)?,
        };
        let admins = match settings.group_admin_dn.trim() {
            "" => None,
            dn => Some(named("ldap_group_admin_dn", dn)?),
        };
        // With a name and no password a bind succeeds as nobody (RFC 4513, section 5.1.2).
        if !settings.search_dn.is_empty() && settings.search_password.is_empty() {
            return Err(Error::setting("ldap_search_password", "is empty, with a ldap_search_dn"));
        }
        let group_filter = filter("ldap_group_search_filter", &settings.group_search_filter)?;
        Ok(Self {
            dial: Dial::new(&settings)?,
            filter: filter("ldap_filter", &settings.filter)?,
            uid: attribute("ldap_uid", &settings.uid, "cn")?,
            membership: attribute(
                "ldap_group_membership_attribute",
                &settings.group_membership_attribute,
                "memberof",
            )?,
            group_filter: Some(group_filter).filter(|filter| !filter.is_empty()),
            group_name: attribute(
                "ldap_group_attribute_name",
                &settings.group_attribute_name,
                "cn",
            )?,
            group_base,
            admins,
            settings,
        })
    }

    /// Who `name` is, if `password` is theirs. None for a wrong password, and when no entry or
    /// more than one has that name.
    ///
    /// # Errors
    /// Trouble with the directory; never that a password is wrong.
    pub async fn authenticate(&self, name: &str, password: &str) -> Result<Option<Person>> {
        // With a name and no password a bind succeeds as nobody (RFC 4513, section 5.1.2), and a
        // NUL ends a string for some directories.
        if password.is_empty() || password.contains('\0') || !is_usable(name) {
            return Ok(None);
        }
        let connection = self.connect().await?;
        let found = self.entry(&connection, name).await?;
        // Directories take many spellings for one name. With those that only they know, guesses
        // at one password could not be counted as such.
        let found = found.filter(|(username, _)| is_same(username, name));
        let Some((username, entry)) = found else {
            return self.refuse_nobody(password).await;
        };
        if !self.is_password(&entry.dn, password).await? {
            return Ok(None);
        }
        Ok(Some(self.person_with_groups(&connection, username, &entry).await?))
    }

    /// Who `name` is, without a password: to add a member by name, or to look at somebody's
    /// groups again. None when no entry or more than one has that name.
    pub async fn find_user(&self, name: &str) -> Result<Option<Person>> {
        if !is_usable(name) {
            return Ok(None);
        }
        let connection = self.connect().await?;
        let Some((username, entry)) = self.entry(&connection, name).await? else {
            return Ok(None);
        };
        Ok(Some(self.person_with_groups(&connection, username, &entry).await?))
    }

    /// At most 100 people whose name contains `part`, those first whose name is `part`; an empty
    /// `part` finds everybody. Their groups are left out.
    pub async fn search_users(&self, part: &str) -> Result<Vec<Person>> {
        let connection = self.connect().await?;
        let wanted = containing(&self.filter, &self.uid, part);
        let entries = connection.search(&self.people(&wanted, MOST_FOUND)).await?;
        let mut people: Vec<Person> = entries
            .iter()
            .filter_map(|entry| {
                let username = values(entry, &self.uid).first()?.trim().to_owned();
                Some(self.person(username, entry))
            })
            .collect();
        people.sort_by_cached_key(|person| (!is_same(&person.username, part), person.dn.clone()));
        Ok(people)
    }

    /// Binds with the search account, to see whether the settings are right.
    pub async fn ping(&self) -> Result<()> {
        self.connect().await.map(drop)
    }

    /// A connection on which the search account is logged in.
    async fn connect(&self) -> Result<Connection> {
        let connection = self.dial.open().await?;
        connection.bind_search_account(&self.settings).await?;
        Ok(connection)
    }

    /// A search for people.
    fn people<'a>(&'a self, filter: &'a str, limit: usize) -> Search<'a> {
        let attributes = vec![&self.uid, "cn", "uid", "mail", "email", &self.membership];
        let base = &self.settings.base_dn;
        Search { base, scope: self.settings.scope, filter, attributes, limit }
    }

    /// The only entry with that name, and the name in its spelling.
    async fn entry(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<Option<(String, SearchEntry)>> {
        let wanted = format!("(&{}({}={}))", self.filter, self.uid, ldap_escape(name));
        let mut entries = connection.search(&self.people(&wanted, 2)).await?;
        let entry = entries.pop().filter(|entry| entries.is_empty() && !entry.dn.is_empty());
        Ok(entry.and_then(|entry| Some((username(values(&entry, &self.uid), name)?, entry))))
    }

    /// Whether `password` belongs to the entry `dn`. Asked on a fresh connection, because the
    /// search account's must stay as it is.
    async fn is_password(&self, dn: &str, password: &str) -> Result<bool> {
        let connection = self.dial.open().await?;
        let result = connection.bind(dn, password).await?;
        match result.rc {
            code::SUCCESS => Ok(true),
            // Also what directories say to accounts that are locked or have no password.
            code::INVALID_CREDENTIALS
            | code::CONSTRAINT_VIOLATION
            | code::NO_SUCH_OBJECT
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::INSUFFICIENT_ACCESS_RIGHTS
            | code::UNWILLING_TO_PERFORM => {
                tracing::debug!(dn, %result, "the directory refuses a login");
                Ok(false)
            }
            _ => Err(connection.refused("log in", &result)),
        }
    }

    /// Takes as many steps as refusing somebody who is there, so that the time does not tell who
    /// is.
    async fn refuse_nobody(&self, password: &str) -> Result<Option<Person>> {
        let dn = format!("cn=nobody,{}", self.settings.base_dn);
        match self.is_password(&dn, password).await {
            Ok(_) | Err(Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn person_with_groups(
        &self,
        connection: &Connection,
        username: String,
        entry: &SearchEntry,
    ) -> Result<Person> {
        let groups = self.groups_of(connection, values(entry, &self.membership)).await?;
        Ok(Person { groups, ..self.person(username, entry) })
    }

    /// What the entry says, without groups.
    fn person(&self, username: String, entry: &SearchEntry) -> Person {
        let first = |attribute| {
            let value = values(entry, attribute).first().map(|value| value.trim());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let is_admins = |dn: &String| Name::parse(dn).is_some_and(|dn| Some(dn) == self.admins);
        Person {
            dn: entry.dn.clone(),
            email: first("mail").or_else(|| first("email")),
            realname: first("cn").or_else(|| first("uid")).unwrap_or_else(|| username.clone()),
            username,
            groups: Vec::new(),
            admin: values(entry, &self.membership).iter().any(is_admins),
        }
    }
}

/// Whether somebody can have that name at all.
fn is_usable(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains('\0')
}

/// Whether two names are the same to a directory (`caseIgnoreMatch`, RFC 4517 section 4.2.11).
fn is_same(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

/// A name without what makes no difference to a directory: the case of its letters, and spaces
/// but single ones between words.
pub(crate) fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The value that `name` was looked up by. Of several it is the one that is the same name: whoever
/// may edit their own entry must not become somebody else with a second value.
fn username(values: &[String], name: &str) -> Option<String> {
    let value = match values {
        [only] => Some(only),
        several => several.iter().find(|value| is_same(value, name)),
    };
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The filter for what matches `filter` and has `part` in `attribute`.
fn containing(filter: &str, attribute: &str, part: &str) -> String {
    match part.trim() {
        "" => format!("(&{filter}({attribute}=*))"),
        part => format!("(&{filter}({attribute}=*{}*))", ldap_escape(part)),
    }
}

/// The values of an attribute, whose name directories spell as they like.
fn values<'a>(entry: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let found = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
    found.map(|(_, values)| values.as_slice()).unwrap_or_default()
}
