//! Who calls, and who may not.

use pbx_manifest::Caller;

use super::Writer;

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

    /// `Gosub(pbx-filter,s,1(filter))` returns `denied` or `passed`. What a filter holds is in Asterisk's database, so that an entry
    /// comes and goes without a reload; by number and by prefix it is looked up, whatever there is besides.
    pub(super) fn filters(&mut self) {
        if !self.catalog.filters.values().any(|object| object.spec.enabled) {
            return;
        }
        let file = &mut self.file;
        file.mark(None);
        file.context("pbx-filter");
        file.exten(
            "s",
            &[
                "Gosub(pbx-filter-list,s,1(${ARG1}/deny))".into(),
                "GotoIf($[\"${GOSUB_RETVAL}\"!=\"yes\"]?passed)".into(),
                "Gosub(pbx-filter-list,s,1(${ARG1}/allow))".into(),
                "GotoIf($[\"${GOSUB_RETVAL}\"=\"yes\"]?passed)".into(),
                "Set(PBX_NODE=filter/${ARG1}=denied)".into(),
                "Return(denied)".into(),
                "(passed)Set(PBX_NODE=filter/${ARG1}=passed)".into(),
                "Return(passed)".into(),
            ],
        );
        // An entry's value is when it expires, in seconds of the epoch; 0 is never.
        let counts = |label: &str| format!("GotoIf($[\"${{end}}\"=\"0\" | 0${{end}} > ${{EPOCH}}]?{label})");
        file.context("pbx-filter-list");
        file.exten(
            "s",
            &[
                "GotoIf($[\"${PBX_CALLER}\"=\"\"]?anonymous)".into(),
                "Set(LOCAL(end)=${DB(pbx-filter/${ARG1}/number/${PBX_CALLER})})".into(),
                counts("yes"),
                "Set(LOCAL(lengths)=${DB(pbx-filter/${ARG1}/lengths)})".into(),
                "(prefix)Set(LOCAL(length)=${SHIFT(lengths,&)})".into(),
                "GotoIf($[\"${length}\"=\"\"]?regexes)".into(),
                "Set(LOCAL(end)=${DB(pbx-filter/${ARG1}/prefix/${PBX_CALLER:0:${length}})})".into(),
                counts("yes"),
                "Goto(prefix)".into(),
                "(regexes)Set(LOCAL(left)=0${DB(pbx-filter/${ARG1}/regexes)})".into(),
                "(regex)GotoIf($[${left} <= 0]?no)".into(),
                "Set(LOCAL(entry)=${DB(pbx-filter/${ARG1}/regex/${MATH(${left}+0,i)})})".into(),
                "Set(LOCAL(left)=$[${left} - 1])".into(),
                "Set(LOCAL(end)=${CUT(entry,/,1)})".into(),
                "GotoIf($[\"${end}\"!=\"0\" & 0${end} <= ${EPOCH}]?regex)".into(),
                "Set(LOCAL(expression)=${CUT(entry,/,2-)})".into(),
                "GotoIf(${REGEX(\"${expression}\" +${PBX_CALLER})}?yes:regex)".into(),
                "(anonymous)Set(LOCAL(end)=${DB(pbx-filter/${ARG1}/anonymous)})".into(),
                counts("yes"),
                "(no)Return(no)".into(),
                "(yes)Return(yes)".into(),
            ],
        );
    }
}
