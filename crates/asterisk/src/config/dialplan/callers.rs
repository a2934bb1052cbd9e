//! Who calls, and who may not.

use pbx_manifest::{Caller, Kind};

use super::{Writer, hashed_name, object};

impl Writer<'_> {
    pub(super) fn callers(&mut self) {
        self.file.mark(None);
        for (pattern, context) in &self.caller_patterns {
            self.file.context(context);
            self.file.exten(pattern.as_str(), &["Return()".into()]);
        }
    }

    /// Whether a variable of digits alone holds a caller's number, or what else is matched so; empty for an anonymous caller.
    pub(super) fn condition(&self, variable: &str, caller: &Caller) -> String {
        match caller {
            Caller::Anonymous => format!("$[\"${{{variable}}}\"=\"\"]"),
            Caller::Number(number) => format!("$[\"${{{variable}}}\"=\"{}\"]", number.digits()),
            Caller::Prefix(number) => {
                format!("$[\"${{{variable}:0:{}}}\"=\"{}\"]", number.digits().len(), number.digits())
            }
            Caller::Pattern(pattern) => {
                format!(
                    "$[\"${{{variable}}}\"!=\"\" & ${{DIALPLAN_EXISTS({},${{{variable}}},1)}}]",
                    self.caller_patterns[pattern]
                )
            }
        }
    }

    /// `Gosub(pbx-filter-NAME,s,1)` returns `denied` or `passed`. What a filter holds is in Asterisk's database, so that an entry
    /// comes and goes without a reload; by number and by prefix it is looked up, whatever there is besides.
    pub(super) fn filters(&mut self) {
        for (name, _) in self.catalog.filters.iter().filter(|(_, object)| object.spec.enabled) {
            self.file.mark(Some(object(Kind::BlockFilter, name)));
            let allow = hashed_name("pbx-allow-", name);
            self.file.context(&hashed_name("pbx-filter-", name));
            self.list(&format!("pbx-filter/{name}/deny"), &format!("{allow},s,1"), "passed");
            // Only whoever would be denied is looked for among those who may.
            self.file.context(&allow);
            self.list(&format!("pbx-filter/{name}/allow"), "passed,1", "denied");
            self.file.exten("passed", &["Return(passed)".into()]);
        }
    }

    /// Looks the caller up in a list, a family of keys: goes to `yes` where an entry counts, returns `no` where none does. An entry's
    /// value is when it expires, in seconds of the epoch.
    fn list(&mut self, family: &str, yes: &str, no: &str) {
        let file = &mut self.file;
        let counts = |key: &str| format!("$[0${{DB({family}/{key})}} > ${{EPOCH}}]");
        let whole = counts("${IF($[\"${PBX_CALLER}\"=\"\"]?anonymous:number/${PBX_CALLER})}");
        file.exten("s", &[format!("GotoIf({whole}?{yes}:${{DB({family}/order)}}none,1)")]);
        // What there is to look up besides is the extension, and what is left of it is the next one: the lengths that prefixes have, two
        // digits each, then the expressions, if there are any.
        let prefix = counts("prefix/${PBX_CALLER:0:${EXTEN:0:2}}");
        file.exten("_XX!", &[format!("GotoIf({prefix}?{yes}:${{EXTEN:2}},1)")]);
        file.exten("none", &[format!("Return({no})")]);
        file.exten(
            "restnone",
            &[
                "GotoIf($[\"${PBX_CALLER}\"=\"\"]?none,1)".to_owned(),
                format!("Set(LOCAL(left)=${{DB({family}/regexes)}})"),
                "(regex)GotoIf($[${left} <= 0]?none,1)".to_owned(),
                format!("Set(LOCAL(entry)=${{DB({family}/regex/${{MATH(${{left}}+0,i)}})}})"),
                "Set(LOCAL(left)=$[${left} - 1])".to_owned(),
                "GotoIf($[0${CUT(entry,/,1)} <= ${EPOCH}]?regex)".to_owned(),
                "Set(LOCAL(expression)=${CUT(entry,/,2-)})".to_owned(),
                format!("GotoIf(${{REGEX(\"${{expression}}\" +${{PBX_CALLER}})}}?{yes}:regex)"),
            ],
        );
    }
}
